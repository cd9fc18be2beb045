// error 348
class C {
   static virtual int F() { return 1; } // <-
};
