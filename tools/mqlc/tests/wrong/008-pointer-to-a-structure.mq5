// error 253
struct S {
   int a;
};

void F(S *s) { // <-
}
