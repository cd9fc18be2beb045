//+------------------------------------------------------------------+
//| ReadsTrade5.mqh: what a trade would come to, by MetaTrader 5     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_TRADE5_MQH
#define MTBRIDGE_READS_TRADE5_MQH

#include <MtBridge\ReadsSymbols.mqh>
#include <MtBridge\Execute5.mqh>

/// CheckOrder: one OrderCheck. Nothing is sent to the broker.
void ServeCheck(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   MtbRequest request;
   if(!UnpackRequest(in, request)) {
      FailInvalid(reply, "this is no request");
      return;
   }
   MqlTradeRequest wanted;
   MqlTradeCheckResult check;
   ToMqlRequest(request, wanted);
   ZeroMemory(check);
   ResetLastError();
   // False with a retcode is an answer like any other.
   if(!OrderCheck(wanted, check) && check.retcode == 0) {
      Fail(reply, MTB_REPLY_ERROR, GetLastError(), "the terminal does not check orders now");
      return;
   }
   body.PutArray(8);
   body.PutUInt((ulong)check.retcode);
   body.PutDouble(check.balance);
   body.PutDouble(check.equity);
   body.PutDouble(check.profit);
   body.PutDouble(check.margin);
   body.PutDouble(check.margin_free);
   body.PutDouble(check.margin_level);
   body.PutText(check.comment);
}

/// The margin of so many lots; false if the terminal cannot tell.
bool MarginOf(const int kind, const string symbol, const double volume, const double price, double &margin) {
   return OrderCalcMargin((ENUM_ORDER_TYPE)kind, symbol, volume, price, margin);
}

/// The profit of a closing; false if the terminal cannot tell.
bool ProfitOf(const int kind, const string symbol, const double volume, const double opened, const double closed,
              double &profit) {
   return OrderCalcProfit((ENUM_ORDER_TYPE)kind, symbol, volume, opened, closed, profit);
}

#endif
