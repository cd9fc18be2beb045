// error 272
int F() const { return 1; } // <-
