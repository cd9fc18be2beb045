//+------------------------------------------------------------------+
//| Commands.mqh: the reads of the hub, and who answers each         |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_COMMANDS_MQH
#define MTBRIDGE_COMMANDS_MQH

#include <MtBridge\ReadsSymbols.mqh>
#include <MtBridge\ReadsBars.mqh>
#include <MtBridge\ReadsAccount.mqh>
#include <MtBridge\Execute.mqh>
#ifdef __MQL4__
#include <MtBridge\ReadsTrade4.mqh>
#else
#include <MtBridge\ReadsTicks.mqh>
#include <MtBridge\ReadsTrade5.mqh>
#endif

/// Whether a message of the hub is a read.
bool IsRead(const int tag) {
   return tag >= MTB_GET_ACCOUNT && tag <= MTB_GET_SESSION;
}

/// CalcMargin: one Amount.
void ServeCalcMargin(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   int kind = in.GetSmall(255);
   string symbol = in.GetText();
   double volume = in.GetDouble();
   double price = in.GetDouble();
   if(!NeedsSymbol(symbol, reply))
      return;
   // Written so that what is no number is refused.
   bool possible = volume > 0.0 && MathIsValidNumber(volume) && price >= 0.0 && MathIsValidNumber(price) && kind <= 7;
   if(!possible) {
      FailInvalid(reply, "kind, volume or price cannot be");
      return;
   }
   double now = 0.0;
   double point = 0.0;
   int digits = 0;
   if(price == 0.0 && !PriceNow(symbol, kind, now, point, digits)) {
      FailInvalid(reply, "there is no price");
      return;
   }
   double value = 0.0;
   ResetLastError();
   if(!MarginOf(kind, symbol, volume, price == 0.0 ? now : price, value)) {
      Fail(reply, MTB_REPLY_ERROR, GetLastError(), "the terminal cannot calculate this margin");
      return;
   }
   body.PutArray(1);
   body.PutDouble(value);
}

/// CalcProfit: one Amount.
void ServeCalcProfit(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   int kind = in.GetSmall(255);
   string symbol = in.GetText();
   double volume = in.GetDouble();
   double opened = in.GetDouble();
   double closed = in.GetDouble();
   if(!NeedsSymbol(symbol, reply))
      return;
   bool positive = volume > 0.0 && opened > 0.0 && closed > 0.0;
   bool finite = MathIsValidNumber(volume) && MathIsValidNumber(opened) && MathIsValidNumber(closed);
   if(!positive || !finite || kind > 1) {
      FailInvalid(reply, "kind, volume or price cannot be");
      return;
   }
   double value = 0.0;
   ResetLastError();
   if(!ProfitOf(kind, symbol, volume, opened, closed, value)) {
      Fail(reply, MTB_REPLY_ERROR, GetLastError(), "the terminal cannot calculate this profit");
      return;
   }
   body.PutArray(1);
   body.PutDouble(value);
}

#ifdef __MQL4__
/// What MetaTrader 4 does not have.
void ServeUnsupported(CPackReader &in, const string what, MtbReply &reply) {
   string symbol = in.GetText();
   if(NeedsSymbol(symbol, reply))
      Fail(reply, MTB_REPLY_UNSUPPORTED, MTB_ERR_NOT_ALLOWED, "MetaTrader 4 has no " + what);
}
#endif

/// Reads of symbols and prices.
void ServeMarket(const int tag, CPackReader &in, CPackWriter &body, MtbReply &reply) {
   switch(tag) {
      case MTB_GET_SYMBOLS:
         ServeSymbols(in, body);
         break;
      case MTB_GET_SYMBOL:
         ServeSymbol(in, body, reply);
         break;
      case MTB_GET_QUOTES:
         ServeQuotes(in, body, reply);
         break;
      case MTB_GET_BARS:
         ServeBars(in, body, reply);
         break;
#ifdef __MQL4__
      case MTB_GET_TICKS:
         ServeUnsupported(in, "history of ticks", reply);
         break;
      case MTB_GET_DEPTH:
         ServeUnsupported(in, "depth of market", reply);
         break;
#else
      case MTB_GET_TICKS:
         ServeTicks(in, body, reply);
         break;
      case MTB_GET_DEPTH:
         ServeDepth(in, body, reply);
         break;
#endif
      case MTB_SELECT_SYMBOL:
         ServeSelect(in, reply);
         break;
      case MTB_GET_SESSION:
         ServeSession(in, body, reply);
         break;
   }
}

/// Answers a read. `in` stands behind the number of the call. `body` is what the reply's parts carry together; it is empty where
/// the status tells of a failure.
void ServeRead(const int tag, CPackReader &in, CPackWriter &body, MtbReply &reply) {
   reply.status = MTB_REPLY_OK;
   reply.code = 0;
   reply.text = "";
   body.Clear();
   switch(tag) {
      case MTB_GET_ACCOUNT:
         ServeAccount(body);
         break;
      case MTB_GET_POSITIONS:
         ServePositions(in, body);
         break;
      case MTB_GET_ORDERS:
         ServeOrders(in, body);
         break;
      case MTB_GET_DEALS:
         ServeDeals(in, body, reply);
         break;
      case MTB_GET_HISTORY_ORDERS:
         ServeHistoryOrders(in, body, reply);
         break;
      case MTB_CHECK_ORDER:
         ServeCheck(in, body, reply);
         break;
      case MTB_CALC_MARGIN:
         ServeCalcMargin(in, body, reply);
         break;
      case MTB_CALC_PROFIT:
         ServeCalcProfit(in, body, reply);
         break;
      default:
         ServeMarket(tag, in, body, reply);
         break;
   }
   if(in.Failed()) {
      body.Clear();
      FailInvalid(reply, "the call cannot be read");
   }
}

#endif
