// error 130
struct S {
   int a;
};

int F(const S &s) {
   return s.b; // <-
}
