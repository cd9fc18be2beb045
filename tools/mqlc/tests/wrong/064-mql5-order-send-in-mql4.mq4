// error 199
#property strict
bool F() {
   return OrderSend(1, 2); // <-
}
