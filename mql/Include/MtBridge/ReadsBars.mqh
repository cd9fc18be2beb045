//+------------------------------------------------------------------+
//| ReadsBars.mqh: bars, packed as they lie in memory                |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_BARS_MQH
#define MTBRIDGE_READS_BARS_MQH

#include <MtBridge\ReadsSymbols.mqh>

/// A call gives at most so many bars: 6 MB.
#define MTB_BARS_MAX 100000
/// Bytes of a bar.
#define MTB_BAR_SIZE 60
/// History that has not grown for so long while it was asked for is all there is.
#define MTB_LOADING_MAX_US 60000000
/// So many series are remembered as loading.
#define MTB_LOADING_SERIES 64

/// A bar and its bytes in one place.
union MtbBarBytes {
   MqlRates bar;
   uchar bytes[60];
};

/// What GetBars asks for.
struct MtbBarsWanted {
   string symbol;
   ENUM_TIMEFRAMES timeframe;
   int mode;
   long from;
   long to;
   int count;
};

/// Since when a series has been loading without its oldest bar getting older, and when it was last asked for.
struct MtbLoading {
   string series;
   long oldest;
   ulong since_us;
   ulong asked_us;
};

MtbLoading g_loading[MTB_LOADING_SERIES];
int g_loading_next = 0;

/// Whether a series may still be loading: whether its oldest bar has moved in the last minute of being asked for again and again.
bool MayStillLoad(const string symbol, const int timeframe, const long oldest) {
   string series = symbol + " " + IntegerToString(timeframe);
   ulong now = GetMicrosecondCount();
   for(int i = 0; i < MTB_LOADING_SERIES; i++) {
      if(g_loading[i].series != series)
         continue;
      if(g_loading[i].oldest != oldest || now - g_loading[i].asked_us > (ulong)MTB_LOADING_MAX_US / 2) {
         g_loading[i].oldest = oldest;
         g_loading[i].since_us = now;
      }
      g_loading[i].asked_us = now;
      return now - g_loading[i].since_us < (ulong)MTB_LOADING_MAX_US;
   }
   g_loading[g_loading_next].series = series;
   g_loading[g_loading_next].oldest = oldest;
   g_loading[g_loading_next].since_us = now;
   g_loading[g_loading_next].asked_us = now;
   g_loading_next = (g_loading_next + 1) % MTB_LOADING_SERIES;
   return true;
}

/// The platform's timeframe of the wire's number, which is MetaTrader 5's; -1 if there is none, 0 if this platform has it not.
int TimeframeOf(const int number) {
   int minutes = number < 16384 ? number : (number < 32768 ? (number - 16384) * 60 : 0);
   if(number == 32769)
      minutes = 10080;
   if(number == 49153)
      minutes = 43200;
   bool below_hour = number > 0 && number <= 30 && 60 % number == 0;
   bool hours = number > 16384 && number <= 16408 && 24 % (number - 16384) == 0;
   if(!below_hour && !hours && number != 32769 && number != 49153)
      return -1;
#ifdef __MQL4__
   bool has = minutes == 1 || minutes == 5 || minutes == 15 || minutes == 30 || minutes == 60 || minutes == 240 ||
              minutes == 1440 || minutes == 10080 || minutes == 43200;
   return has ? minutes : 0;
#else
   return minutes > 0 ? number : -1;
#endif
}

/// Opening time of the bar at a position back from the newest; 0 if there is none.
long BarTime(const MtbBarsWanted &wanted, const int position) {
   return position < 0 ? 0 : (long)iTime(wanted.symbol, wanted.timeframe, position);
}

/// Opening time of the oldest bar that the terminal has now; 0 if it has none.
long OldestBar(const MtbBarsWanted &wanted) {
   return BarTime(wanted, iBars(wanted.symbol, wanted.timeframe) - 1);
}

/// A time that CopyRates takes.
datetime SeriesTime(const long time) {
   if(time < 0)
      return (datetime)0;
   return time > MTB_TIME_MAX ? (datetime)MTB_TIME_MAX : (datetime)time;
}

/// Copies the bars of a span. Where it may hold more than `count`, only its oldest are copied.
int CopySpan(const MtbBarsWanted &wanted, MqlRates &rates[]) {
   datetime from = SeriesTime(wanted.from);
   datetime to = SeriesTime(wanted.to);
   if(from > to)
      return 0;
   long most = ((long)to - (long)from) / PeriodSeconds(wanted.timeframe) + 1;
   if(most <= (long)wanted.count)
      return CopyRates(wanted.symbol, wanted.timeframe, from, to, rates);
   // The first call for a series makes the terminal build it; Bars does not say whether it did.
   int built = CopyRates(wanted.symbol, wanted.timeframe, 0, 1, rates);
   if(built < 0)
      return -1;
   int since = Bars(wanted.symbol, wanted.timeframe, from, SeriesTime(MTB_TIME_MAX));
   if(since <= 0)
      return 0;
   // One more on each side: a bar may open between the two calls, and then all positions move by one.
   int first = since - wanted.count - 1;
   return CopyRates(wanted.symbol, wanted.timeframe, first > 0 ? first : 0, wanted.count + 2, rates);
}

/// Copies what is asked for, and perhaps more. -1 if the terminal cannot (now).
int CopyWanted(const MtbBarsWanted &wanted, MqlRates &rates[]) {
   if(wanted.mode == MTB_BARS_POSITION)
      return CopyRates(wanted.symbol, wanted.timeframe, (int)wanted.from, wanted.count, rates);
   if(wanted.mode == MTB_BARS_RANGE)
      return CopySpan(wanted, rates);
   return CopyRates(wanted.symbol, wanted.timeframe, SeriesTime(wanted.to), wanted.count, rates);
}

/// The bars that count, one after the other. Returns how many.
int PackBars(const MtbBarsWanted &wanted, const MqlRates &rates[], const int copied, uchar &packed[]) {
   MtbBarBytes both;
   ArrayResize(packed, copied * MTB_BAR_SIZE);
   int count = 0;
   long last = -1;
   for(int i = 0; i < copied && count < wanted.count; i++) {
      long time = (long)rates[i].time;
      bool inside = wanted.mode == MTB_BARS_POSITION ||
                    (time <= wanted.to && (wanted.mode == MTB_BARS_ENDING_AT || time >= wanted.from));
      // Each opening time once, whatever the terminal made of a change of its clock.
      if(!inside || time <= last)
         continue;
      last = time;
      both.bar = rates[i];
      ArrayCopy(packed, both.bytes, count * MTB_BAR_SIZE, 0, MTB_BAR_SIZE);
      count++;
   }
   return count;
}

/// Whether more history than this may come: the broker has older bars than the terminal, and the terminal has room for them.
bool IsLoading(const MtbBarsWanted &wanted, const long oldest) {
   long first = (long)SeriesInfoInteger(wanted.symbol, wanted.timeframe, SERIES_SERVER_FIRSTDATE);
   bool room = iBars(wanted.symbol, wanted.timeframe) < (int)TerminalInfoInteger(TERMINAL_MAXBARS);
   bool older = oldest == 0 || (first > 0 && first < oldest && oldest - first >= PeriodSeconds(wanted.timeframe));
#ifndef __MQL4__
   if(SeriesInfoInteger(wanted.symbol, wanted.timeframe, SERIES_SYNCHRONIZED) == 0)
      older = true;
#endif
   return older && room && MayStillLoad(wanted.symbol, (int)wanted.timeframe, oldest);
}

/// Whether the answer reaches further back than the terminal's bars do.
bool AsksForOlder(const MtbBarsWanted &wanted, const int count, const long oldest) {
   if(wanted.mode == MTB_BARS_RANGE)
      return oldest == 0 || (wanted.from < oldest && wanted.from <= wanted.to);
   return count < wanted.count;
}

/// Reads what is asked for; false if it cannot be.
bool ReadBarsWanted(CPackReader &in, MtbBarsWanted &wanted, MtbReply &reply) {
   wanted.symbol = in.GetText();
   int number = in.GetSmall(65535);
   wanted.mode = in.GetSmall(255);
   wanted.from = in.GetInt();
   wanted.to = in.GetInt();
   ulong count = in.GetUInt();
   wanted.count = count > (ulong)MTB_BARS_MAX ? MTB_BARS_MAX : (int)count;
   wanted.timeframe = PERIOD_M1;
   if(!NeedsSymbol(wanted.symbol, reply))
      return false;
   int timeframe = TimeframeOf(number);
   if(timeframe < 0) {
      FailInvalid(reply, IntegerToString(number) + " is no timeframe of MetaTrader 5");
      return false;
   }
   if(timeframe == 0) {
      Fail(reply, MTB_REPLY_UNSUPPORTED, MTB_ERR_NOT_ALLOWED, "MetaTrader 4 has no such timeframe");
      return false;
   }
   wanted.timeframe = (ENUM_TIMEFRAMES)timeframe;
   if(wanted.mode > MTB_BARS_ENDING_AT) {
      FailInvalid(reply, "there is no mode " + IntegerToString(wanted.mode));
      return false;
   }
   if(wanted.mode == MTB_BARS_POSITION && wanted.from < 0) {
      FailInvalid(reply, "a position is not negative");
      return false;
   }
   // No series is that long.
   if(wanted.mode == MTB_BARS_POSITION && wanted.from > (long)INT_MAX)
      wanted.from = (long)INT_MAX;
   return true;
}

/// GetBars: one BarsBody.
void ServeBars(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   MtbBarsWanted wanted;
   if(!ReadBarsWanted(in, wanted, reply))
      return;
   // Read before the bars: if another opens meanwhile, one bar too few counts as closed, never one too many.
   long forming = BarTime(wanted, 0);
   MqlRates rates[];
   uchar packed[];
   ResetLastError();
   int copied = wanted.count > 0 ? CopyWanted(wanted, rates) : 0;
   int error = copied < 0 ? GetLastError() : 0;
   int count = PackBars(wanted, rates, copied > 0 ? copied : 0, packed);
   long oldest = OldestBar(wanted);
   if(forming == 0)
      forming = BarTime(wanted, 0);
   bool before_all = wanted.mode == MTB_BARS_POSITION ? count == 0 : (oldest == 0 || wanted.to < oldest);
   if(wanted.count > 0 && AsksForOlder(wanted, count, oldest) && IsLoading(wanted, oldest))
      Fail(reply, MTB_REPLY_LOADING, error, "the terminal is still loading this history");
   else if(wanted.count > 0 && before_all) {
      Fail(reply, MTB_REPLY_NO_MORE, MTB_ERR_HISTORY_NOT_FOUND, "there is no older history");
      return;
   }
   body.PutArray(3);
   body.PutInt(forming);
   body.PutInt(oldest);
   body.PutBin(packed, 0, count * MTB_BAR_SIZE);
}

#endif
