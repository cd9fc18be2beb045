// error 127
struct S {
   int a;
};

struct S { // <-
   int b;
};
