// error 302
class A {
};

class B : public A {
};

void F(A *a) {
   B *b = a; // <-
   delete b;
}
