// error 121
int F() {
   return; // <-
}
