// error 256
#property strict
void F() {
   MqlTradeRequest request; // <-
}
