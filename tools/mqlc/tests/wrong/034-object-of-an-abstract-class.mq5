// error 383
class C {
public:
   virtual int F() = 0;
};

void G() {
   C c; // <-
}
