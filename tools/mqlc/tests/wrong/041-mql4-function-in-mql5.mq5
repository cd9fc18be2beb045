// error 256
bool F() {
   return RefreshRates(); // <-
}
