// error 306
class C {
   int F() const;
};

int C::F() { return 1; } // <-
