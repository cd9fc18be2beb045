// error 256
#property strict
string F(const string symbol) {
   return SymbolInfoString(symbol, SYMBOL_ISIN); // <-
}
