// error 189
struct S {
   int a;
};

void F(const S &s) {
   s.a = 1; // <-
}
