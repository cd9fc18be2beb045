// error 266
struct S {
   int a;
};

class C : public S { // <-
};
