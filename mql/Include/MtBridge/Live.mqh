//+------------------------------------------------------------------+
//| Live.mqh: tells of the market by itself what the hub wants       |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_LIVE_MQH
#define MTBRIDGE_LIVE_MQH

#include <MtBridge\ReadsBars.mqh>
#include <MtBridge\WebSocket.mqh>

/// So many quotes, and so many series of bars, may be wanted; what comes beyond is answered with an error.
#define MTB_LIVE_MAX 256
/// Rows of one message, and of one turn. Series that are looked at in one turn are no more either.
#define MTB_LIVE_QUOTES 64
#define MTB_LIVE_BARS 16
/// After so long in one turn the rest waits for the next turn, microseconds.
#define MTB_LIVE_US 4000

/// A symbol that is wanted, and what was told of it last.
struct MtbLiveQuote {
   string symbol;
   /// MTB_REPLY_*: why there will be no tick.
   int status;
   bool told;
   MqlTick tick;
};

/// The same of a series: its two newest bars, the forming one last.
struct MtbLiveSeries {
   string symbol;
   /// The wire's number, and the platform's timeframe.
   int number;
   ENUM_TIMEFRAMES timeframe;
   int status;
   bool told;
   int told_status;
   int count;
   MqlRates older;
   MqlRates newer;
};

bool SameTick(const MqlTick &one, const MqlTick &other) {
#ifndef __MQL4__
   if(one.time_msc != other.time_msc || one.flags != other.flags || one.volume_real != other.volume_real)
      return false;
#endif
   return one.time == other.time && one.bid == other.bid && one.ask == other.ask && one.last == other.last &&
          one.volume == other.volume;
}

bool SameBar(const MqlRates &one, const MqlRates &other) {
   return one.time == other.time && one.open == other.open && one.high == other.high && one.low == other.low &&
          one.close == other.close && one.tick_volume == other.tick_volume && one.spread == other.spread &&
          one.real_volume == other.real_volume;
}

/// Looks each turn at what is wanted and queues what has changed, behind everything else and only while nothing waits to be written: a
/// slow hub gets the newest, not all there was.
class CLive {
private:
   MtbLiveQuote m_quotes[];
   int m_quote_count;
   MtbLiveSeries m_series[];
   int m_series_count;
   /// Where the next turn begins, so that the first ones do not keep the others away.
   int m_next_quote;
   int m_next_series;
   CPackWriter m_rows;
   CPackWriter m_writer;

   /// Why a symbol cannot be told of; MTB_REPLY_OK if it can. It is put into Market Watch, because only what is there has ticks.
   int Judge(const string symbol, const bool has_room) const {
      if(!has_room)
         return MTB_REPLY_ERROR;
      if(!SymbolIsKnown(symbol))
         return MTB_REPLY_NOT_FOUND;
      if(SymbolInfoInteger(symbol, SYMBOL_SELECT) == 0)
         SymbolSelect(symbol, true);
      return MTB_REPLY_OK;
   }

   void WantQuote(const string symbol) {
      int at = m_quote_count;
      if(at >= 2 * MTB_LIVE_MAX)
         return;
      m_quotes[at].symbol = symbol;
      m_quotes[at].status = Judge(symbol, at < MTB_LIVE_MAX);
      m_quotes[at].told = false;
      m_quote_count++;
   }

   void WantSeries(const string symbol, const int number) {
      int at = m_series_count;
      if(at >= 2 * MTB_LIVE_MAX)
         return;
      int timeframe = TimeframeOf(number);
      m_series[at].symbol = symbol;
      m_series[at].number = number;
      m_series[at].timeframe = (ENUM_TIMEFRAMES)(timeframe > 0 ? timeframe : 1);
      m_series[at].status = Judge(symbol, at < MTB_LIVE_MAX);
      if(m_series[at].status == MTB_REPLY_OK && timeframe <= 0)
         m_series[at].status = timeframe < 0 ? MTB_REPLY_ERROR : MTB_REPLY_UNSUPPORTED;
      m_series[at].told = false;
      m_series_count++;
   }

   /// Writes a symbol's row, if there is anything new.
   bool TellQuote(MtbLiveQuote &quote) {
      MqlTick tick;
      ZeroMemory(tick);
      if(quote.status == MTB_REPLY_OK) {
         // Before its first tick there is nothing to tell.
         if(!SymbolInfoTick(quote.symbol, tick) || tick.time <= 0)
            return false;
         if(quote.told && SameTick(tick, quote.tick))
            return false;
      } else if(quote.told) {
         return false;
      }
      quote.told = true;
      quote.tick = tick;
      m_rows.PutArray(3);
      m_rows.PutText(quote.symbol);
      m_rows.PutUInt((ulong)quote.status);
      PackTick(m_rows, quote.tick);
      return true;
   }

   /// The same of a series.
   bool TellSeries(MtbLiveSeries &series) {
      MqlRates rates[];
      int count = 0;
      int status = series.status;
      if(status == MTB_REPLY_OK) {
         count = CopyRates(series.symbol, series.timeframe, 0, 2, rates);
         if(count <= 0) {
            count = 0;
            status = MTB_REPLY_LOADING;
         }
      }
      bool same = series.told && status == series.told_status && count == series.count;
      if(same && count > 0)
         same = SameBar(rates[count - 1], series.newer) && (count < 2 || SameBar(rates[0], series.older));
      if(same)
         return false;
      series.told = true;
      series.told_status = status;
      series.count = count;
      MtbBarBytes both;
      uchar packed[];
      ArrayResize(packed, 2 * MTB_BAR_SIZE);
      for(int i = 0; i < count; i++) {
         both.bar = rates[i];
         ArrayCopy(packed, both.bytes, i * MTB_BAR_SIZE, 0, MTB_BAR_SIZE);
      }
      if(count > 0) {
         series.older = rates[0];
         series.newer = rates[count - 1];
      }
      m_rows.PutArray(4);
      m_rows.PutText(series.symbol);
      m_rows.PutUInt((ulong)series.number);
      m_rows.PutUInt((ulong)status);
      m_rows.PutBin(packed, 0, count * MTB_BAR_SIZE);
      return true;
   }

   /// Queues the rows that were written, if there are any.
   void Push(const int tag, const int count, CWebSocket &web) {
      if(count == 0)
         return;
      Begin(m_writer, tag, 1);
      m_writer.PutArray(count);
      m_writer.PutRaw(m_rows.m_data, 0, m_rows.Size());
      web.Send(m_writer);
   }

   void PushQuotes(const ulong since, CWebSocket &web) {
      m_rows.Clear();
      int told = 0;
      int at = m_next_quote;
      for(int i = 0; i < m_quote_count && told < MTB_LIVE_QUOTES && GetMicrosecondCount() - since < MTB_LIVE_US; i++) {
         if(TellQuote(m_quotes[at]))
            told++;
         at = (at + 1) % m_quote_count;
      }
      m_next_quote = at;
      Push(MTB_PUSH_QUOTES, told, web);
   }

   void PushSeries(const ulong since, CWebSocket &web) {
      m_rows.Clear();
      int told = 0;
      int at = m_next_series;
      int most = m_series_count < MTB_LIVE_BARS ? m_series_count : MTB_LIVE_BARS;
      for(int i = 0; i < most && GetMicrosecondCount() - since < MTB_LIVE_US; i++) {
         if(TellSeries(m_series[at]))
            told++;
         at = (at + 1) % m_series_count;
      }
      m_next_series = at;
      Push(MTB_PUSH_BARS, told, web);
   }

public:
   CLive() { Reset(); }

   /// Nothing is wanted: what was wanted belongs to the session in which it came.
   void Reset() {
      m_quote_count = 0;
      m_series_count = 0;
      m_next_quote = 0;
      m_next_series = 0;
   }

   bool IsIdle() const { return m_quote_count == 0 && m_series_count == 0; }

   /// A Subscribe: all that is wanted from now on, of which nothing has been told. False: it is no message.
   bool Take(CPackReader &in) {
      Reset();
      ArrayResize(m_quotes, 2 * MTB_LIVE_MAX);
      ArrayResize(m_series, 2 * MTB_LIVE_MAX);
      int count = in.Enter();
      for(int i = 0; i < count && !in.Failed(); i++)
         WantQuote(in.GetText());
      in.Leave();
      count = in.Enter();
      for(int i = 0; i < count && !in.Failed(); i++) {
         in.Enter();
         string symbol = in.GetText();
         int number = in.GetSmall(65535);
         in.Leave();
         WantSeries(symbol, number);
      }
      in.Leave();
      if(in.Failed())
         Reset();
      return !in.Failed();
   }

   /// Queues what has changed, as much as fits into a turn.
   void Turn(CWebSocket &web) {
      ulong since = GetMicrosecondCount();
      if(m_quote_count > 0)
         PushQuotes(since, web);
      if(m_series_count > 0)
         PushSeries(since, web);
   }
};

#endif
