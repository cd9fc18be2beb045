bool Send(const ulong ticket) {
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_DEAL;
   request.type = (ENUM_ORDER_TYPE)1;
   request.symbol = _Symbol;
   request.position = ticket;
   if(!PositionSelectByTicket(ticket) || PositionGetInteger(POSITION_TYPE) != POSITION_TYPE_BUY)
      return false;
   return OrderSendAsync(request, result) && result.retcode == TRADE_RETCODE_PLACED;
}

void OnTradeTransaction(const MqlTradeTransaction &transaction, const MqlTradeRequest &request, const MqlTradeResult &result) {
   if(transaction.type == TRADE_TRANSACTION_REQUEST && request.magic == 5)
      Print(result.request_id);
}
