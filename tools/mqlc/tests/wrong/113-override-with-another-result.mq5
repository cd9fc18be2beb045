// error 265
class A {
public:
   virtual int F() { return 1; }
};

class B : public A {
public:
   virtual long F() { return 1; } // <-
};
