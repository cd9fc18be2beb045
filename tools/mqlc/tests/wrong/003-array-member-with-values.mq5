// error 219
struct S {
   int a[2] = {1, 2}; // <-
};
