// error 226
struct A {
   int a;
};

struct B : public A {
   int b;
};

void F() {
   B b;
   ZeroMemory(b); // <-
}
