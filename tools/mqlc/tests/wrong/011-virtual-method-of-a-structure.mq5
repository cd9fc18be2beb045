// error 269
struct S {
   virtual int F() { return 1; } // <-
};
