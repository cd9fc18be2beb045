// error 161
int F() {
   return 1; // <-
