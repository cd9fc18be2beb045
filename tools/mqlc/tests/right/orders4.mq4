#property strict
int Send(const string symbol) {
   for(int i = OrdersTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES) && OrderSymbol() == symbol && OrderType() == OP_BUY)
         return OrderClose(OrderTicket(), OrderLots(), MarketInfo(symbol, MODE_LOW), 5) ? 0 : GetLastError();
   return OrderSend(symbol, OP_BUY, 0.1, 1.5, 5, 0, 0, "comment", 7);
}
extern int Slippage = 5;
