//+------------------------------------------------------------------+
//| ReadsTrade4.mqh: what a trade would come to, by MetaTrader 4     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_TRADE4_MQH
#define MTBRIDGE_READS_TRADE4_MQH

#include <MtBridge\ReadsSymbols.mqh>
#include <MtBridge\Execute4.mqh>

/// The margin of so many lots. The terminal tells it for a lot bought now; where the margin currency is the account's, the price
/// does not matter.
bool MarginOf(const int kind, const string symbol, const double volume, const double price, double &margin) {
   double of_lot = MarketInfo(symbol, MODE_MARGINREQUIRED);
   double ask = SymbolInfoDouble(symbol, SYMBOL_ASK);
   if(of_lot <= 0.0 || ask <= 0.0)
      return false;
   bool fixed = SymbolInfoString(symbol, SYMBOL_CURRENCY_MARGIN) == AccountInfoString(ACCOUNT_CURRENCY);
   margin = NormalizeDouble(of_lot * volume * (fixed ? 1.0 : price / ask), 2);
   return true;
}

/// The profit of a closing, in the account's currency.
bool ProfitOf(const int kind, const string symbol, const double volume, const double opened, const double closed,
              double &profit) {
   string account = AccountInfoString(ACCOUNT_CURRENCY);
   double moved = (kind == OP_BUY ? closed - opened : opened - closed) * volume;
   double contract = SymbolInfoDouble(symbol, SYMBOL_TRADE_CONTRACT_SIZE);
   double tick = SymbolInfoDouble(symbol, SYMBOL_TRADE_TICK_SIZE);
   double value = SymbolInfoDouble(symbol, SYMBOL_TRADE_TICK_VALUE);
   if(contract > 0.0 && SymbolInfoString(symbol, SYMBOL_CURRENCY_PROFIT) == account)
      profit = NormalizeDouble(moved * contract, 2);
   else if(contract > 0.0 && SymbolInfoString(symbol, SYMBOL_CURRENCY_BASE) == account)
      profit = NormalizeDouble(moved * contract / closed, 2);
   else if(tick > 0.0 && value > 0.0)
      profit = NormalizeDouble(moved / tick * value, 2);
   else
      return false;
   return true;
}

/// Whether a volume is a whole number of steps within the limits.
bool IsVolume(const string symbol, const double volume) {
   double step = SymbolInfoDouble(symbol, SYMBOL_VOLUME_STEP);
   if(!MathIsValidNumber(volume) || volume < SymbolInfoDouble(symbol, SYMBOL_VOLUME_MIN) - 0.00000001 ||
      volume > SymbolInfoDouble(symbol, SYMBOL_VOLUME_MAX) + 0.00000001)
      return false;
   double steps = step > 0.0 ? volume / step : 0.0;
   return MathAbs(steps - MathRound(steps)) < 0.000001;
}

/// Whether a distance is at least the least one that the broker takes for stops and pending orders.
bool IsAway(const string symbol, const double distance) {
   double points = (double)SymbolInfoInteger(symbol, SYMBOL_TRADE_STOPS_LEVEL) - 0.001;
   return distance >= points * SymbolInfoDouble(symbol, SYMBOL_POINT);
}

/// What speaks against the prices of a request that opens; 0 if nothing does.
uint RetcodeOfPrices(const MtbRequest &request) {
   MqlTick tick;
   if(!SymbolInfoTick(request.symbol, tick))
      return 10021;
   double bid = tick.bid;
   double ask = tick.ask;
   if(request.action == MTB_ACTION_PENDING) {
      double distance = request.type == OP_BUYLIMIT    ? ask - request.price
                        : request.type == OP_SELLLIMIT ? request.price - bid
                        : request.type == OP_BUYSTOP   ? request.price - ask
                                                       : bid - request.price;
      if(!IsAway(request.symbol, distance))
         return 10015;
      if(ExpirationOf(request) < 0)
         return 10022;
      bid = request.price;
      ask = request.price;
   }
   bool buys = (request.type & 1) == 0;
   double loss = buys ? bid - request.sl : request.sl - ask;
   double gain = buys ? request.tp - bid : ask - request.tp;
   bool stands = (request.sl == 0.0 || IsAway(request.symbol, loss)) && (request.tp == 0.0 || IsAway(request.symbol, gain));
   return stands ? 0 : (uint)10016;
}

/// What speaks against a request, as far as this platform tells without sending it; 0 if nothing does.
uint RetcodeOfCheck(const MtbRequest &request, const bool opens) {
   if(!opens)
      return request.action == MTB_ACTION_SLTP || request.action == MTB_ACTION_MODIFY || request.action == MTB_ACTION_REMOVE ||
                     request.action == MTB_ACTION_CLOSE_BY || request.action == MTB_ACTION_DEAL
                 ? (uint)0
                 : (uint)MTB_RETCODE_INVALID;
   bool fits = request.action == MTB_ACTION_PENDING ? IsPendingType(request.type) : IsMarketType(request.type);
   if(!SymbolIsKnown(request.symbol) || !fits)
      return MTB_RETCODE_INVALID;
   if(!IsVolume(request.symbol, request.volume))
      return 10014;
   if((int)SymbolInfoInteger(request.symbol, SYMBOL_TRADE_MODE) == 0)
      return 10017;
   uint prices = RetcodeOfPrices(request);
   if(prices != 0)
      return prices;
   if(request.action == MTB_ACTION_DEAL) {
      ResetLastError();
      double left = AccountFreeMarginCheck(request.symbol, request.type, request.volume);
      if(left <= 0.0 || GetLastError() == 134)
         return 10019;
   }
   return 0;
}

/// CheckOrder: one OrderCheck, worked out: this platform does not check orders itself.
void ServeCheck(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   MtbRequest request;
   if(!UnpackRequest(in, request)) {
      FailInvalid(reply, "this is no request");
      return;
   }
   bool closes = request.action == MTB_ACTION_DEAL && request.position != 0;
   bool opens = (request.action == MTB_ACTION_DEAL || request.action == MTB_ACTION_PENDING) && !closes;
   uint retcode = RetcodeOfCheck(request, opens);
   double margin = 0.0;
   double equity = AccountInfoDouble(ACCOUNT_EQUITY);
   double free = AccountInfoDouble(ACCOUNT_MARGIN_FREE);
   double level = AccountInfoDouble(ACCOUNT_MARGIN_LEVEL);
   if(opens && retcode == 0) {
      double price = request.action == MTB_ACTION_PENDING ? request.price : SidePrice(request.symbol, request.type);
      if(MarginOf(request.type & 1, request.symbol, request.volume, price, margin)) {
         double bound = AccountInfoDouble(ACCOUNT_MARGIN) + margin;
         free = NormalizeDouble(equity - bound, 2);
         level = bound > 0.0 ? NormalizeDouble(equity / bound * 100.0, 2) : 0.0;
      }
   }
   body.PutArray(8);
   body.PutUInt((ulong)retcode);
   body.PutDouble(AccountInfoDouble(ACCOUNT_BALANCE));
   body.PutDouble(equity);
   body.PutDouble(AccountInfoDouble(ACCOUNT_PROFIT));
   body.PutDouble(margin);
   body.PutDouble(free);
   body.PutDouble(level);
   body.PutText(retcode == 0 ? "Done" : RetcodeText(retcode));
}

#endif
