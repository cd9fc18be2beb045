// error 302
class A {
};

class B {
};

void F(A *a) {
   B *b = a; // <-
   delete b;
}
