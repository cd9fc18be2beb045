// error 162
struct S; // <-
struct S {
   int a;
};
