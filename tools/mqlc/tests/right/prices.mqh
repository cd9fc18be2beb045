double Last(const string symbol) {
   MqlTick tick;
   MqlRates rates[];
   if(!SymbolInfoTick(symbol, tick) || CopyRates(symbol, PERIOD_M1, 0, 10, rates) != 10)
      return SymbolInfoDouble(symbol, SYMBOL_BID);
   double value = 0.0;
   return SymbolInfoDouble(symbol, SYMBOL_POINT, value) ? rates[9].close + value : tick.bid;
}
