// warning 74
class A {
public:
   virtual int F() const { return 1; }
};

class B : public A {
public:
   virtual int F() { return 2; } // <-
};
