// error 129
struct S {
   int a;
   long a; // <-
};
