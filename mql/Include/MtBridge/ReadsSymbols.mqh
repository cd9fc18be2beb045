//+------------------------------------------------------------------+
//| ReadsSymbols.mqh: specifications, lists, quotes, sessions        |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_SYMBOLS_MQH
#define MTBRIDGE_READS_SYMBOLS_MQH

#include <MtBridge\Platform.mqh>

// Error codes of the replies: MetaTrader 5's numbers, on MetaTrader 4 too.
#define MTB_ERR_INVALID_PARAMETER 4003
#define MTB_ERR_NOT_ALLOWED 4014
#define MTB_ERR_UNKNOWN_SYMBOL 4301
#define MTB_ERR_SELECT 4305
#define MTB_ERR_HISTORY_NOT_FOUND 4401
/// `TICK_FLAG_BID` and `TICK_FLAG_ASK`, which MetaTrader 4 has no names for.
#define MTB_TICK_BID 2
#define MTB_TICK_ASK 4
/// A list of names has at most so many.
#define MTB_QUOTES_MAX 500

/// A read that failed.
void Fail(MtbReply &reply, const int status, const int code, const string text) {
   reply.status = status;
   reply.code = code;
   reply.text = text;
}

/// A read that asked for what cannot be.
void FailInvalid(MtbReply &reply, const string text) {
   Fail(reply, MTB_REPLY_ERROR, MTB_ERR_INVALID_PARAMETER, text);
}

/// Whether the symbol is known; if not, the reply says so.
bool NeedsSymbol(const string symbol, MtbReply &reply) {
   if(SymbolIsKnown(symbol))
      return true;
   Fail(reply, MTB_REPLY_NOT_FOUND, MTB_ERR_UNKNOWN_SYMBOL, "there is no symbol `" + StringSubstr(symbol, 0, 40) + "`");
   return false;
}

/// Whether `name` fits one condition of a mask: `*` at its ends stands for anything.
bool FitsMask(const string name, const string mask) {
   int length = StringLen(mask);
   bool front = length > 0 && StringGetCharacter(mask, 0) == '*';
   bool back = length > 0 && StringGetCharacter(mask, length - 1) == '*';
   if(front && length == 1)
      return true;
   if(front && back)
      return length == 2 || StringFind(name, StringSubstr(mask, 1, length - 2), 0) >= 0;
   if(front) {
      int at = StringLen(name) - (length - 1);
      return at >= 0 && StringSubstr(name, at) == StringSubstr(mask, 1);
   }
   if(back)
      return StringFind(name, StringSubstr(mask, 0, length - 1), 0) == 0;
   return name == mask;
}

/// A text without blanks at its ends.
string Trimmed(const string text) {
   int from = 0;
   int to = StringLen(text);
   while(from < to && StringGetCharacter(text, from) == ' ')
      from++;
   while(to > from && StringGetCharacter(text, to - 1) == ' ')
      to--;
   return from < to ? StringSubstr(text, from, to - from) : "";
}

/// Whether `name` is in the group: conditions from left to right, `!` takes out again, an empty group is everything.
bool InGroup(const string name, const string group) {
   if(StringLen(group) == 0)
      return true;
   string masks[];
   int count = StringSplit(group, ',', masks);
   bool inside = false;
   for(int i = 0; i < count; i++) {
      string mask = Trimmed(masks[i]);
      if(StringLen(mask) > 0 && StringGetCharacter(mask, 0) == '!')
         inside = inside && !FitsMask(name, StringLen(mask) > 1 ? StringSubstr(mask, 1) : "");
      else
         inside = inside || FitsMask(name, mask);
   }
   return inside;
}

/// A property that is a whole number and not negative.
void PutCount(CPackWriter &body, const string symbol, const ENUM_SYMBOL_INFO_INTEGER property) {
   long value = (long)SymbolInfoInteger(symbol, property);
   body.PutUInt(value > 0 ? (ulong)value : 0);
}

void PutSigned(CPackWriter &body, const string symbol, const ENUM_SYMBOL_INFO_INTEGER property) {
   body.PutInt((long)SymbolInfoInteger(symbol, property));
}

void PutFlag(CPackWriter &body, const string symbol, const ENUM_SYMBOL_INFO_INTEGER property) {
   body.PutBool(SymbolInfoInteger(symbol, property) != 0);
}

/// What is no number (a price that never was) is 0.
void PutNumber(CPackWriter &body, const string symbol, const ENUM_SYMBOL_INFO_DOUBLE property) {
   double value = SymbolInfoDouble(symbol, property);
   body.PutDouble(MathIsValidNumber(value) ? value : 0.0);
}

void PutWords(CPackWriter &body, const string symbol, const ENUM_SYMBOL_INFO_STRING property) {
   body.PutText(SymbolInfoString(symbol, property));
}

/// So many properties that this platform does not have.
void PutZeros(CPackWriter &body, const int count) {
   for(int i = 0; i < count; i++)
      body.PutUInt(0);
}

/// The same of properties that are yes or no.
void PutNever(CPackWriter &body, const int count) {
   for(int i = 0; i < count; i++)
      body.PutBool(false);
}

/// The same of properties that have fractions.
void PutNothing(CPackWriter &body, const int count) {
   for(int i = 0; i < count; i++)
      body.PutDouble(0.0);
}

/// The same of properties that are texts.
void PutEmpty(CPackWriter &body, const int count) {
   for(int i = 0; i < count; i++)
      body.PutText("");
}

#ifdef __MQL4__
#include <MtBridge\ReadsSpec4.mqh>
#else
#include <MtBridge\ReadsSpec5.mqh>
#endif

/// GetSymbols: rows of SymbolSpec in the terminal's order.
void ServeSymbols(CPackReader &in, CPackWriter &body) {
   string group = in.GetText();
   ulong offset = in.GetUInt();
   ulong limit = in.GetUInt();
   int total = SymbolsTotal(false);
   int found[];
   ArrayResize(found, total);
   int count = 0;
   ulong passed = 0;
   for(int i = 0; i < total && (ulong)count < limit; i++) {
      if(!InGroup(SymbolName(i, false), group))
         continue;
      if(passed++ >= offset)
         found[count++] = i;
   }
   body.PutArray(count);
   for(int i = 0; i < count; i++)
      PackSpec(body, SymbolName(found[i], false));
}

/// GetSymbol: one SymbolSpec.
void ServeSymbol(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   string symbol = in.GetText();
   if(NeedsSymbol(symbol, reply))
      PackSpec(body, symbol);
}

/// A Tick.
void PackTick(CPackWriter &body, const MqlTick &tick) {
   body.PutArray(8);
   body.PutInt((long)tick.time);
   body.PutDouble(tick.bid);
   body.PutDouble(tick.ask);
   body.PutDouble(tick.last);
   body.PutUInt((ulong)tick.volume);
#ifdef __MQL4__
   // There a tick is a time, a bid and an ask.
   body.PutInt((long)tick.time * 1000);
   body.PutUInt((ulong)(MTB_TICK_BID | MTB_TICK_ASK));
   body.PutDouble((double)tick.volume);
#else
   body.PutInt((long)tick.time_msc);
   body.PutUInt((ulong)tick.flags);
   body.PutDouble(tick.volume_real);
#endif
}

/// GetQuotes: rows of Quote. Symbols without a price are left out.
void ServeQuotes(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   int asked = in.Enter();
   if(asked < 0 || asked > MTB_QUOTES_MAX) {
      FailInvalid(reply, "at most 500 symbols can be asked for at once");
      return;
   }
   string names[];
   MqlTick ticks[];
   ArrayResize(names, asked);
   ArrayResize(ticks, asked);
   int count = 0;
   for(int i = 0; i < asked; i++) {
      names[count] = in.GetText();
      if(SymbolInfoTick(names[count], ticks[count]) && ticks[count].time > 0)
         count++;
   }
   in.Leave();
   body.PutArray(count);
   for(int i = 0; i < count; i++) {
      body.PutArray(2);
      body.PutText(names[i]);
      PackTick(body, ticks[i]);
   }
}

/// GetSession: one TradeSessions.
void ServeSession(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   string symbol = in.GetText();
   if(!NeedsSymbol(symbol, reply))
      return;
   int days[];
   long opens[];
   long closes[];
   int count = 0;
   for(int day = 0; day < 7; day++)
      for(uint session = 0; session < 16; session++) {
         datetime from = 0;
         datetime to = 0;
         if(!SymbolInfoSessionTrade(symbol, (ENUM_DAY_OF_WEEK)day, session, from, to))
            break;
         ArrayResize(days, count + 1, 16);
         ArrayResize(opens, count + 1, 16);
         ArrayResize(closes, count + 1, 16);
         days[count] = day;
         opens[count] = (long)from;
         closes[count] = SessionEnd((long)from, (long)to);
         count++;
      }
   body.PutArray(2);
   body.PutArray(count);
   for(int i = 0; i < count; i++) {
      body.PutArray(3);
      body.PutUInt((ulong)days[i]);
      body.PutUInt((ulong)opens[i]);
      body.PutUInt((ulong)closes[i]);
   }
   body.PutInt(LastTickMs(symbol));
}

/// Time of a symbol's newest tick, broker time, epoch milliseconds; 0 if there is none.
long LastTickMs(const string symbol) {
   MqlTick tick;
   if(!SymbolInfoTick(symbol, tick))
      return 0;
#ifdef __MQL4__
   return (long)tick.time * 1000;
#else
   return (long)tick.time_msc;
#endif
}

/// Whether an open position or order is of this symbol.
bool IsSymbolUsed(const string symbol) {
   MtbPosition positions[];
   MtbOrder orders[];
   return ListPositions(symbol, 0, positions) > 0 || ListOrders(symbol, 0, orders) > 0;
}

/// SelectSymbol: shows or hides a symbol in Market Watch.
void ServeSelect(CPackReader &in, MtbReply &reply) {
   string symbol = in.GetText();
   bool on = in.GetBool();
   if(!NeedsSymbol(symbol, reply))
      return;
   if(!on && IsSymbolUsed(symbol)) {
      Fail(reply, MTB_REPLY_ERROR, MTB_ERR_SELECT, symbol + " has a position or an order and stays");
      return;
   }
#ifndef __MQL4__
   if(!on)
      ReleaseBook(symbol);
#endif
   ResetLastError();
   if(!SymbolSelect(symbol, on))
      Fail(reply, MTB_REPLY_ERROR, GetLastError(), "the terminal does not " + (on ? "show " : "hide ") + symbol);
}

#endif
