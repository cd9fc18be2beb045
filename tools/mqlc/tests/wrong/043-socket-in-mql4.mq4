// error 256
#property strict
int F() {
   return SocketCreate(); // <-
}
