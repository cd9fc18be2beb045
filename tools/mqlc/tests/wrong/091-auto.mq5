// error 157
int F() {
   auto a = 1; // <-
   return a;
}
