// error 149
class A {
};

class B {
};

class C : public A, public B { // <-
};
