// error 156
struct S {
   int a;
};

void F() {
   new S; // <-
}
