// error 130
#property strict
long F() {
   MqlTick tick;
   if(!SymbolInfoTick(_Symbol, tick))
      return 0;
   return tick.time_msc; // <-
}
