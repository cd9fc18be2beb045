// error 293
struct S {
   int a;
};

int F(S s) { // <-
   return s.a;
}
