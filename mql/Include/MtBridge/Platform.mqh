//+------------------------------------------------------------------+
//| Platform.mqh: what both platforms have under the same names      |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_PLATFORM_MQH
#define MTBRIDGE_PLATFORM_MQH

#include <MtBridge\ReadsRows.mqh>

/// Rows of the history that one call gives at most.
#define MTB_HISTORY_MAX 10000
/// Offsets of brokers from UTC are whole quarters of an hour.
#define MTB_QUARTER_S 900

#ifdef __MQL4__
#include <MtBridge\Platform4.mqh>
#else
#include <MtBridge\Platform5.mqh>
#endif

/// Number of the account (`ACCOUNT_LOGIN`); 0 while nobody is logged in.
ulong Login() {
   return (ulong)AccountInfoInteger(ACCOUNT_LOGIN);
}

/// Name of the trade server, as MetaTrader reports it.
string AccountServerName() {
   return AccountInfoString(ACCOUNT_SERVER);
}

/// Whether the terminal is connected to its broker.
bool BrokerConnected() {
   return TerminalInfoInteger(TERMINAL_CONNECTED) != 0;
}

/// The Algo Trading (MetaTrader 4: AutoTrading) button.
bool TradeAllowedTerminal() {
   return TerminalInfoInteger(TERMINAL_TRADE_ALLOWED) != 0;
}

/// The EA's own setting.
bool TradeAllowedEa() {
   return MQLInfoInteger(MQL_TRADE_ALLOWED) != 0;
}

/// The broker's side: trading at all, and trading by programs.
bool TradeAllowedAccount() {
   return AccountInfoInteger(ACCOUNT_TRADE_ALLOWED) != 0 && AccountInfoInteger(ACCOUNT_TRADE_EXPERT) != 0;
}

/// Last ping to the broker, microseconds.
uint BrokerPingUs() {
   long ping = (long)TerminalInfoInteger(TERMINAL_PING_LAST);
   return ping > 0 ? (uint)ping : 0;
}

/// A number rounded to whole quarters of an hour, seconds.
int RoundToQuarter(const long seconds) {
   double quarters = MathRound((double)seconds / (double)MTB_QUARTER_S);
   return (int)quarters * MTB_QUARTER_S;
}

/// Whether there is such a symbol, shown in Market Watch or not.
bool SymbolIsKnown(const string symbol) {
   if(StringLen(symbol) == 0)
      return false;
   long shown = 0;
   return SymbolInfoInteger(symbol, SYMBOL_SELECT, shown);
}

/// How many symbols the broker offers.
uint SymbolCount() {
   int count = SymbolsTotal(false);
   return count > 0 ? (uint)count : 0;
}

/// FNV-1a 64 over the names of all symbols in the terminal's order, each followed by a zero byte.
ulong SymbolsDigest() {
   ulong hash = MTB_FNV_START;
   int count = SymbolsTotal(false);
   for(int i = 0; i < count; i++)
      hash = MtbFnv1aName(hash, SymbolName(i, false));
   return hash;
}

/// The last answer of MarketState and the second that it is of: the sessions are asked for once a second.
long g_market_at = 0;
int g_market_state = 2;

/// Trading session of the chart's symbol at the broker's time: 0 closed, 1 open, 2 not known.
int MarketState() {
   long now = BrokerTime();
   if(now != g_market_at) {
      g_market_at = now;
      g_market_state = MarketStateAt(now);
   }
   return g_market_state;
}

/// The same at any time.
int MarketStateAt(const long now) {
   // 1970-01-01 was a Thursday.
   int today = (int)((now / 86400 + 4) % 7);
   long second = now % 86400;
   bool any = false;
   for(int day = 0; day < 7; day++)
      for(uint session = 0; session < 16; session++) {
         datetime opens = 0;
         datetime closes = 0;
         if(!SymbolInfoSessionTrade(_Symbol, (ENUM_DAY_OF_WEEK)day, session, opens, closes))
            break;
         any = true;
         if(day == today && second >= (long)opens && second < SessionEnd((long)opens, (long)closes))
            return 1;
      }
   return any ? 0 : 2;
}

/// The second at which a session ends; some terminals say 0 for midnight.
long SessionEnd(const long opens, const long closes) {
   return closes <= opens ? 86400 : closes;
}

/// The price for an order of this type (even: a buy, at the ask; odd: a sell, at the bid), with the symbol's point and digits. False
/// if there is none.
bool PriceNow(const string symbol, const int type, double &price, double &point, int &digits) {
   MqlTick tick;
   price = 0.0;
   // What does not stand in Market Watch has no prices.
   if(SymbolInfoInteger(symbol, SYMBOL_SELECT) == 0)
      SymbolSelect(symbol, true);
   point = SymbolInfoDouble(symbol, SYMBOL_POINT);
   digits = (int)SymbolInfoInteger(symbol, SYMBOL_DIGITS);
   if(!SymbolInfoTick(symbol, tick))
      return false;
   price = (type & 1) == 0 ? tick.ask : tick.bid;
   return price > 0.0 && point > 0.0;
}

/// A number that changes when a position comes, goes, grows, shrinks or turns round.
ulong PositionsDigest() {
   MtbPosition rows[];
   int count = ListPositions("", 0, rows);
   ulong digest = (ulong)count;
   // A sum, because the order of the rows means nothing.
   for(int i = 0; i < count; i++)
      digest += (rows[i].ticket * 4 + (ulong)rows[i].type + 1) * ((ulong)MtbUnits(rows[i].volume) * 2 + 1);
   return digest;
}

/// Whether a request can open or enlarge a position: what the kill switch keeps from happening.
bool CanOpen(const MtbRequest &request) {
   if(request.action == MTB_ACTION_PENDING)
      return true;
   if(request.action != MTB_ACTION_DEAL)
      return false;
   bool hedging = MarginMode() == MTB_MARGIN_HEDGING;
   if(hedging && request.position == 0)
      return true;
   MtbPosition rows[];
   int count = ListPositions("", hedging ? request.position : 0, rows);
   for(int i = 0; i < count; i++) {
      bool against = rows[i].symbol == request.symbol && rows[i].type != request.type;
      if(against && (hedging || MtbUnits(request.volume) <= MtbUnits(rows[i].volume)))
         return false;
   }
   return true;
}

/// Number of one of the hub's tags; -1 if the magic is none.
long TagSequence(const ulong magic) {
   if((magic >> 32) == 0x6D74)
      return (long)(magic & (ulong)0xFFFFFFFF);
   if((magic >> 24) == 0x5A)
      return (long)(magic & 0xFFFFFF);
   return -1;
}

/// The higher of two tags; what is no tag counts as 0.
ulong HigherTag(const ulong highest, const ulong magic) {
   return magic > highest && TagSequence(magic) >= 0 ? magic : highest;
}

/// The mark of a tag, with which the comments of its orders begin: `#` and its number in base 32.
string TagMark(const ulong tag) {
   string digits = "0123456789abcdefghjkmnpqrstvwxyz";
   long left = TagSequence(tag);
   string mark = "";
   do {
      int digit = left > 0 ? (int)(left % 32) : 0;
      mark = StringSubstr(digits, digit, 1) + mark;
      left /= 32;
   } while(left > 0);
   return "#" + mark;
}

#endif
