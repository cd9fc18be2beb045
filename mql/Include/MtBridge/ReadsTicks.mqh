//+------------------------------------------------------------------+
//| ReadsTicks.mqh: the history of ticks and the depth of market,    |
//| which only MetaTrader 5 has                                      |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_TICKS_MQH
#define MTBRIDGE_READS_TICKS_MQH

#include <MtBridge\ReadsSymbols.mqh>

/// A call gives at most so many ticks: 6 MB.
#define MTB_TICKS_MAX 100000
/// Bytes of a tick.
#define MTB_TICK_SIZE 60
/// `ERR_HISTORY_TIMEOUT`: the terminal is still synchronising the ticks.
#define MTB_ERR_HISTORY_TIMEOUT 4403
/// A subscription to a book is given so long to bring the first one.
#define MTB_BOOK_WAIT_US 5000000

/// A tick and its bytes in one place.
union MtbTickBytes {
   MqlTick tick;
   uchar bytes[60];
};

/// The books that are subscribed to, and since when.
string g_books[];
ulong g_books_since[];

/// The first date of a symbol's history at the broker, broker time, epoch milliseconds; 0 if it is not known. To look for the
/// oldest tick itself would make the terminal load all of them.
long OldestTickMs(const string symbol) {
   return (long)SeriesInfoInteger(symbol, PERIOD_M1, SERIES_SERVER_FIRSTDATE) * 1000;
}

/// GetTicks: one TicksBody.
void ServeTicks(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   string symbol = in.GetText();
   int mode = in.GetSmall(255);
   long from = in.GetInt();
   long to = in.GetInt();
   ulong asked = in.GetUInt();
   int flags = in.GetSmall(255) & 3;
   if(!NeedsSymbol(symbol, reply))
      return;
   if(mode > MTB_TICKS_RANGE) {
      FailInvalid(reply, "there is no mode " + IntegerToString(mode));
      return;
   }
   if(mode == MTB_TICKS_FROM)
      to = LONG_MAX;
   int most = asked > (ulong)MTB_TICKS_MAX ? MTB_TICKS_MAX : (int)asked;
   long oldest = OldestTickMs(symbol);
   if(most > 0 && oldest > 0 && to < oldest) {
      Fail(reply, MTB_REPLY_NO_MORE, MTB_ERR_HISTORY_NOT_FOUND, "there is no older history");
      return;
   }
   MqlTick ticks[];
   int copied = 0;
   if(most > 0 && from <= to) {
      uint which = flags == 1 ? (uint)COPY_TICKS_INFO : (flags == 2 ? (uint)COPY_TICKS_TRADE : (uint)COPY_TICKS_ALL);
      // From 0 means the newest ones.
      ulong since = from > 0 ? (ulong)from : 1;
      ResetLastError();
      copied = CopyTicks(symbol, ticks, which, since, (uint)most);
   }
   int error = copied < 0 ? GetLastError() : 0;
   if(copied < 0 && error != MTB_ERR_HISTORY_TIMEOUT && error != MTB_ERR_HISTORY_NOT_FOUND) {
      Fail(reply, MTB_REPLY_ERROR, error, "the terminal cannot read ticks of " + symbol);
      return;
   }
   if(error == MTB_ERR_HISTORY_TIMEOUT)
      Fail(reply, MTB_REPLY_LOADING, error, "the terminal is still loading these ticks");
   PackTicks(body, oldest, ticks, copied, to);
}

/// A TicksBody of the ticks up to `to`.
void PackTicks(CPackWriter &body, const long oldest, const MqlTick &ticks[], const int copied, const long to) {
   MtbTickBytes both;
   uchar packed[];
   int count = 0;
   ArrayResize(packed, copied > 0 ? copied * MTB_TICK_SIZE : 0);
   for(int i = 0; i < copied && (long)ticks[i].time_msc <= to; i++) {
      both.tick = ticks[i];
      ArrayCopy(packed, both.bytes, count * MTB_TICK_SIZE, 0, MTB_TICK_SIZE);
      count++;
   }
   body.PutArray(2);
   body.PutInt(oldest);
   body.PutBin(packed, 0, count * MTB_TICK_SIZE);
}

/// Which of the subscriptions is of this symbol; -1 if none is.
int BookIndex(const string symbol) {
   for(int i = ArraySize(g_books) - 1; i >= 0; i--)
      if(g_books[i] == symbol)
         return i;
   return -1;
}

/// Ends a subscription, if there is one.
void ReleaseBook(const string symbol) {
   int at = BookIndex(symbol);
   if(at < 0)
      return;
   MarketBookRelease(symbol);
   int last = ArraySize(g_books) - 1;
   g_books[at] = g_books[last];
   g_books_since[at] = g_books_since[last];
   ArrayResize(g_books, last);
   ArrayResize(g_books_since, last);
}

/// Ends all subscriptions.
void ReleaseBooks() {
   for(int i = ArraySize(g_books) - 1; i >= 0; i--)
      MarketBookRelease(g_books[i]);
   ArrayResize(g_books, 0);
   ArrayResize(g_books_since, 0);
}

/// GetDepth: rows of BookLevel.
void ServeDepth(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   string symbol = in.GetText();
   if(!NeedsSymbol(symbol, reply))
      return;
   int at = BookIndex(symbol);
   if(at < 0) {
      if(!MarketBookAdd(symbol)) {
         body.PutArray(0);
         return;
      }
      at = ArraySize(g_books);
      ArrayResize(g_books, at + 1);
      ArrayResize(g_books_since, at + 1);
      g_books[at] = symbol;
      g_books_since[at] = GetMicrosecondCount();
      Fail(reply, MTB_REPLY_LOADING, 0, "the book was subscribed to just now");
      return;
   }
   MqlBookInfo levels[];
   bool has = MarketBookGet(symbol, levels);
   int count = has ? ArraySize(levels) : 0;
   // A broker without a book never sends a first one.
   bool waits = GetMicrosecondCount() - g_books_since[at] < (ulong)MTB_BOOK_WAIT_US;
   if(!has && waits && SymbolInfoInteger(symbol, SYMBOL_TICKS_BOOKDEPTH) > 0) {
      Fail(reply, MTB_REPLY_LOADING, 0, "the first book has not come yet");
      return;
   }
   body.PutArray(count);
   for(int i = 0; i < count; i++) {
      body.PutArray(4);
      body.PutUInt((ulong)levels[i].type);
      body.PutDouble(levels[i].price);
      body.PutUInt(levels[i].volume > 0 ? (ulong)levels[i].volume : 0);
      body.PutDouble(levels[i].volume_real);
   }
}

#endif
