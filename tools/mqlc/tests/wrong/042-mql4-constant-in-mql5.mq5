// error 256
int F() {
   return OP_BUY; // <-
}
