//+------------------------------------------------------------------+
//| Execute4.mqh: a request as one call of OrderSend, OrderClose,    |
//| OrderModify, OrderDelete or OrderCloseBy                         |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_EXECUTE4_MQH
#define MTBRIDGE_EXECUTE4_MQH

#include <MtBridge\Platform.mqh>

/// Numbers the requests of this instance.
uint g_request_id = 0;

/// To be called in OnInit.
void ExecuteReset() {
   g_request_id = 0;
}

/// Whether anything may be sent now: the terminal has one trade context for all programs, and another may be using it.
bool ExecuteReady(string &reason) {
   reason = "";
   if(!IsTradeContextBusy())
      return true;
   reason = "the trade context of the terminal is busy; nothing was sent";
   return false;
}

/// MetaTrader 5's retcode of an error of MQL4. What is not known for certain not to have been executed is 10011 or 10012.
uint RetcodeOfError(const int error, const int action) {
   switch(error) {
      case 1:
         // "No error, but the result is unknown": of a change it means that there was nothing to change.
         return action == MTB_ACTION_SLTP || action == MTB_ACTION_MODIFY ? (uint)10025 : (uint)MTB_RETCODE_ERROR;
      case 3:
      case 4051:
      case 4106:
         return MTB_RETCODE_INVALID;
      case 5:
      case 137:
         return MTB_RETCODE_REJECT;
      case 6:
         return MTB_RETCODE_CONNECTION;
      case 7:
      case 65:
      case 4112:
         return 10026;
      case 8:
      case 141:
      case 146:
         return 10024;
      case 64:
      case 133:
         return 10017;
      case 128:
         return MTB_RETCODE_TIMEOUT;
      case 129:
      case 4107:
         return 10015;
      case 130:
         return 10016;
      case 131:
         return 10014;
      case 132:
         return 10018;
      case 134:
         return 10019;
      case 135:
         return 10020;
      case 136:
         return 10021;
      case 138:
         return MTB_RETCODE_REQUOTE;
      case 139:
         return 10028;
      case 140:
      case 4111:
         return 10042;
      case 4110:
         return 10043;
      case 144:
         return 10007;
      case 145:
         return 10029;
      case 147:
         return 10022;
      case 148:
         return 10033;
      case 149:
         return 10046;
      case 150:
         return 10045;
      case 4108:
         return 10035;
      case 4109:
         return 10027;
   }
   return MTB_RETCODE_ERROR;
}

/// A retcode in words.
string RetcodeText(const uint retcode) {
   switch((int)retcode) {
      case 10004:
         return "Requote";
      case 10006:
         return "Request rejected";
      case 10009:
         return "Request executed";
      case 10010:
         return "Request executed partially";
      case 10012:
         return "The trade server has not answered in time";
      case 10013:
         return "Invalid request";
      case 10014:
         return "Invalid volume";
      case 10015:
         return "Invalid price";
      case 10016:
         return "Invalid stops";
      case 10017:
         return "Trade is disabled";
      case 10018:
         return "Market closed";
      case 10019:
         return "No money";
      case 10020:
         return "Price changed";
      case 10021:
         return "Off quotes";
      case 10022:
         return "Invalid expiration";
      case 10025:
         return "No changes";
      case 10026:
         return "AutoTrading disabled by server";
      case 10027:
         return "AutoTrading disabled by client";
      case 10029:
         return "Order or position frozen";
      case 10031:
         return "No connection";
      case 10033:
         return "Too many orders";
      case 10035:
         return "Order or position not found";
      case 10036:
         return "Position already closed";
      case 10038:
         return "Close volume exceeds position volume";
      case 10042:
         return "Only buys are allowed";
      case 10043:
         return "Only sells are allowed";
   }
   return "Request not processed";
}

/// The answer to a request, with its words.
int Told(MtbResult &result, const uint retcode) {
   result.retcode = retcode;
   result.comment = RetcodeText(retcode);
   return 0;
}

/// The answer to a request whose call failed with `error`.
int CallFailed(const MtbRequest &request, MtbResult &result, const int error) {
   Told(result, RetcodeOfError(error, request.action));
   result.comment = result.comment + " (error " + IntegerToString(error) + ")";
   return 0;
}

/// A price as the server wants it.
double Normal(const string symbol, const double price) {
   return NormalizeDouble(price, (int)SymbolInfoInteger(symbol, SYMBOL_DIGITS));
}

/// Selects an open order: 0, or the retcode that says why it cannot be.
uint SelectOpen(const ulong ticket, const bool pending) {
   if(ticket == 0 || ticket > (ulong)INT_MAX || !OrderSelect((int)ticket, SELECT_BY_TICKET))
      return 10035;
   if(OrderCloseTime() != 0)
      return pending ? 10035 : 10036;
   return IsPendingType(OrderType()) == pending ? 0 : (uint)10035;
}

/// When a pending order ends by itself, broker time; 0 is never, -1 that it cannot be. Days end at the broker's midnight.
long ExpirationOf(const MtbRequest &request) {
   long day = 86400;
   if(request.type_time == 0)
      return 0;
   long now = BrokerTime();
   if(request.type_time == 1)
      return (now / day + 1) * day;
   if(request.expiration <= now)
      return -1;
   return request.type_time == 2 ? request.expiration : (request.expiration / day + 1) * day;
}

/// Slippage as the calls take it, points.
int SlippageOf(const MtbRequest &request) {
   return request.deviation > 1000000 ? 1000000 : (int)request.deviation;
}

/// Opens at the market or places a pending order.
int ExecuteOpen(const MtbRequest &request, MtbResult &result) {
   bool market = request.action == MTB_ACTION_DEAL;
   bool fits = market ? IsMarketType(request.type) : IsPendingType(request.type);
   if(!fits || !SymbolIsKnown(request.symbol))
      return Told(result, MTB_RETCODE_INVALID);
   long expiration = market ? 0 : ExpirationOf(request);
   if(expiration < 0)
      return Told(result, 10022);
   double price = request.price > 0.0 || !market ? request.price : SidePrice(request.symbol, request.type);
   ResetLastError();
   int ticket = OrderSend(request.symbol, request.type, request.volume, Normal(request.symbol, price), SlippageOf(request),
                          Normal(request.symbol, request.sl), Normal(request.symbol, request.tp), request.comment,
                          (int)(request.magic & 0x7FFFFFFF), (datetime)expiration, clrNONE);
   if(ticket < 0)
      return CallFailed(request, result, GetLastError());
   result.order = (ulong)ticket;
   result.deal = market ? (ulong)ticket * 2 : 0;
   result.volume = request.volume;
   result.price = price;
   if(OrderSelect(ticket, SELECT_BY_TICKET)) {
      result.volume = OrderLots();
      result.price = OrderOpenPrice();
   }
   bool part = MtbUnits(result.volume) < MtbUnits(request.volume);
   return Told(result, part ? (uint)MTB_RETCODE_DONE_PARTIAL : (uint)MTB_RETCODE_DONE);
}

/// Closes an order, whole or in part.
int ExecuteClose(const MtbRequest &request, MtbResult &result) {
   uint wrong = SelectOpen(request.position, false);
   if(wrong != 0)
      return Told(result, wrong);
   if(OrderType() == request.type || OrderSymbol() != request.symbol)
      return Told(result, MTB_RETCODE_INVALID);
   if(MtbUnits(request.volume) > MtbUnits(OrderLots()))
      return Told(result, 10038);
   int ticket = (int)request.position;
   double price = request.price > 0.0 ? request.price : SidePrice(request.symbol, request.type);
   ResetLastError();
   if(!OrderClose(ticket, request.volume, Normal(request.symbol, price), SlippageOf(request), clrNONE))
      return CallFailed(request, result, GetLastError());
   result.order = request.position;
   result.deal = request.position * 2 + 1;
   result.volume = request.volume;
   result.price = OrderSelect(ticket, SELECT_BY_TICKET) && OrderCloseTime() != 0 ? OrderClosePrice() : price;
   return Told(result, MTB_RETCODE_DONE);
}

/// Moves the stops of an open order.
int ExecuteStops(const MtbRequest &request, MtbResult &result) {
   uint wrong = SelectOpen(request.position, false);
   if(wrong != 0)
      return Told(result, wrong);
   string symbol = OrderSymbol();
   ResetLastError();
   if(!OrderModify((int)request.position, OrderOpenPrice(), Normal(symbol, request.sl), Normal(symbol, request.tp), (datetime)0,
                   clrNONE))
      return CallFailed(request, result, GetLastError());
   return Told(result, MTB_RETCODE_DONE);
}

/// What is told of a pending order that was changed or removed.
void TellPending(const MtbRequest &request, MtbResult &result) {
   result.order = request.order;
   if(OrderSelect((int)request.order, SELECT_BY_TICKET)) {
      result.volume = OrderLots();
      result.price = OrderOpenPrice();
   }
   Told(result, MTB_RETCODE_DONE);
}

/// Changes a pending order.
int ExecuteModify(const MtbRequest &request, MtbResult &result) {
   uint wrong = SelectOpen(request.order, true);
   if(wrong != 0)
      return Told(result, wrong);
   string symbol = OrderSymbol();
   long expiration = ExpirationOf(request);
   if(expiration < 0)
      return Told(result, 10022);
   ResetLastError();
   if(!OrderModify((int)request.order, Normal(symbol, request.price), Normal(symbol, request.sl), Normal(symbol, request.tp),
                   (datetime)expiration, clrNONE))
      return CallFailed(request, result, GetLastError());
   TellPending(request, result);
   return 0;
}

/// Removes a pending order.
int ExecuteRemove(const MtbRequest &request, MtbResult &result) {
   uint wrong = SelectOpen(request.order, true);
   if(wrong != 0)
      return Told(result, wrong);
   ResetLastError();
   if(!OrderDelete((int)request.order, clrNONE))
      return CallFailed(request, result, GetLastError());
   TellPending(request, result);
   return 0;
}

/// Closes an order by an opposite one.
int ExecuteCloseBy(const MtbRequest &request, MtbResult &result) {
   uint wrong = SelectOpen(request.position_by, false);
   if(wrong != 0)
      return Told(result, wrong);
   double opposite = OrderLots();
   double price = OrderOpenPrice();
   int type = OrderType();
   string symbol = OrderSymbol();
   wrong = SelectOpen(request.position, false);
   if(wrong != 0)
      return Told(result, wrong);
   if(OrderType() == type || OrderSymbol() != symbol)
      return Told(result, MTB_RETCODE_INVALID);
   double lots = OrderLots();
   ResetLastError();
   if(!OrderCloseBy((int)request.position, (int)request.position_by, clrNONE))
      return CallFailed(request, result, GetLastError());
   result.order = request.position;
   result.deal = request.position * 2 + 1;
   result.volume = lots < opposite ? lots : opposite;
   result.price = price;
   return Told(result, MTB_RETCODE_DONE);
}

/// Sends the request, once, and waits for the broker's answer, as this platform does. Always 0: `result` is the answer.
int ExecuteStart(const MtbRequest &request, MtbResult &result) {
   ClearResult(result);
   g_request_id++;
   if(request.symbol != "" && SymbolInfoInteger(request.symbol, SYMBOL_SELECT) == 0)
      SymbolSelect(request.symbol, true);
   RefreshRates();
   switch(request.action) {
      case MTB_ACTION_DEAL:
         if(request.position == 0)
            ExecuteOpen(request, result);
         else
            ExecuteClose(request, result);
         break;
      case MTB_ACTION_PENDING:
         ExecuteOpen(request, result);
         break;
      case MTB_ACTION_SLTP:
         ExecuteStops(request, result);
         break;
      case MTB_ACTION_MODIFY:
         ExecuteModify(request, result);
         break;
      case MTB_ACTION_REMOVE:
         ExecuteRemove(request, result);
         break;
      case MTB_ACTION_CLOSE_BY:
         ExecuteCloseBy(request, result);
         break;
      default:
         Told(result, MTB_RETCODE_INVALID);
         break;
   }
   result.request_id = g_request_id;
   string symbol = request.symbol;
   bool done = result.retcode == MTB_RETCODE_DONE || result.retcode == MTB_RETCODE_DONE_PARTIAL;
   if(symbol == "" && done && OrderSelect((int)(request.position != 0 ? request.position : request.order), SELECT_BY_TICKET))
      symbol = OrderSymbol();
   MqlTick tick;
   if((done || result.retcode == MTB_RETCODE_REQUOTE || result.retcode == 10020) && SymbolInfoTick(symbol, tick)) {
      result.bid = tick.bid;
      result.ask = tick.ask;
   }
   return 0;
}

/// Nothing is ever waited for here.
bool ExecutePoll(const int handle, MtbResult &result) {
   ClearResult(result);
   result.retcode = MTB_RETCODE_TIMEOUT;
   result.comment = "request " + IntegerToString(handle) + " is not known";
   return true;
}

#endif
