// error 358
class C {
public:
   void F() const {
      C *c = GetPointer(this); // <-
      delete c;
   }
};
