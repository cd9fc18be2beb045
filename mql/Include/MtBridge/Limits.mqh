//+------------------------------------------------------------------+
//| Limits.mqh: what the inputs allow                                |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_LIMITS_MQH
#define MTBRIDGE_LIMITS_MQH

#include <MtBridge\Wire.mqh>

/// The terminal owner's own limits. They only ever keep something from being opened: closing, cancelling and stops always pass.
class CLimits {
private:
   string m_symbols[];
   double m_max_volume;
   bool m_block;

public:
   CLimits() {
      m_max_volume = 0.0;
      m_block = false;
   }

   /// Takes the inputs: symbols separated by commas (empty: all), largest volume of one order in lots (0: no limit), and whether
   /// nothing may be opened at all.
   void Set(const string symbols, const double max_volume, const bool block) {
      m_max_volume = max_volume;
      m_block = block;
      string parts[];
      int kept = 0;
      int count = StringSplit(symbols, 44, parts);
      ArrayResize(m_symbols, count > 0 ? count : 0);
      for(int i = 0; i < count; i++) {
         string name = parts[i];
         name = MtbTrim(name);
         if(name != "")
            m_symbols[kept++] = name;
      }
      ArrayResize(m_symbols, kept);
   }

   /// Whether the owner has blocked openings.
   bool Blocks() const { return m_block; }

   /// Whether anything is set that an order could run against.
   bool Any() const { return m_block || m_max_volume > 0.0 || ArraySize(m_symbols) > 0; }

   /// Whether a symbol is among the allowed ones.
   bool AllowsSymbol(const string symbol) const {
      int count = ArraySize(m_symbols);
      for(int i = 0; i < count; i++)
         if(m_symbols[i] == symbol)
            return true;
      return count == 0;
   }

   /// Why this request, which can open or enlarge a position, is not allowed; "" if it is.
   string Against(const MtbRequest &request) const {
      if(m_block)
         return "the terminal's owner blocks openings (input BlockOpenings)";
      if(!AllowsSymbol(request.symbol))
         return request.symbol + " is not among the terminal's AllowedSymbols";
      // Not "greater than": a volume that is no number must not pass.
      if(m_max_volume > 0.0 && !(request.volume <= m_max_volume + 0.0000001))
         return "the volume " + DoubleToString(request.volume, 2) + " is above the terminal's MaxVolume " + DoubleToString(m_max_volume, 2);
      return "";
   }
};

#endif
