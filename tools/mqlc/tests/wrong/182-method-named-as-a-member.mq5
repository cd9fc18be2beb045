// error 346
class C {
   int F;
   int F() { return 1; } // <-
};
