// error 256
#property strict
bool F(const int a) {
   return OrderSendAsync(a, a); // <-
}
