// error 256
#property strict
int F(const string symbol) {
   MqlTick ticks[];
   return CopyTicks(symbol, ticks); // <-
}
