//+------------------------------------------------------------------+
//| Chart.mqh: the status panel, and what bots draw                  |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_CHART_MQH
#define MTBRIDGE_CHART_MQH

#include <MtBridge\Wire.mqh>

/// Names of our objects begin so.
#define MTB_OBJECT_PREFIX "MtBridge."
#define MTB_PANEL_LINES 5
/// So many drawings at once, and so many objects of all of them together: a chart with more gets slow.
#define MTB_DRAWINGS_MAX 256
#define MTB_OBJECTS_MAX 5000
#define MTB_CHARTS_MAX 100
/// An id of a drawing is no longer, characters.
#define MTB_DRAWING_ID_CHARS 64

/// A drawing of a bot.
struct MtbDrawing {
   string id;
   /// Names of its objects begin so.
   string prefix;
   /// UTC, epoch milliseconds; 0 is never.
   long expires_at;
   int objects;
};

class CChart {
private:
   bool m_panel;
   bool m_draws;
   string m_lines[MTB_PANEL_LINES];
   MtbDrawing m_drawings[MTB_DRAWINGS_MAX];
   int m_count;
   int m_objects;
   /// The hub's clock, epoch milliseconds, at this count.
   long m_hub_ms;
   ulong m_hub_us;
   /// Charts on which the drawing that is being read is drawn.
   long m_charts[];

   /// 0xRRGGBB as MetaTrader's colour.
   static color ColorOf(const ulong rgb) {
      return (color)((int)((rgb & 0xFF) << 16) | (int)(rgb & 0xFF00) | (int)((rgb >> 16) & 0xFF));
   }

   long NowMs() const {
      if(m_hub_ms == 0)
         return (long)TimeGMT() * 1000;
      return m_hub_ms + (long)((GetMicrosecondCount() - m_hub_us) / 1000);
   }

   /// Sets a line of the panel, if it says anything new.
   bool SetLine(const int line, const string text, const color shade) {
      string name = MTB_OBJECT_PREFIX + "panel." + IntegerToString(line);
      if(m_lines[line] == text && ObjectFind(0, name) >= 0)
         return false;
      m_lines[line] = text;
      if(ObjectFind(0, name) < 0) {
         ObjectCreate(0, name, OBJ_LABEL, 0, (datetime)0, 0.0);
         ObjectSetInteger(0, name, OBJPROP_CORNER, CORNER_LEFT_UPPER);
         ObjectSetInteger(0, name, OBJPROP_XDISTANCE, 10);
         ObjectSetInteger(0, name, OBJPROP_YDISTANCE, 20 + 16 * line);
         ObjectSetInteger(0, name, OBJPROP_FONTSIZE, 9);
         ObjectSetString(0, name, OBJPROP_FONT, "Arial");
         Passive(0, name);
      }
      ObjectSetInteger(0, name, OBJPROP_COLOR, (long)shade);
      // A label without text shows the word "Label".
      ObjectSetString(0, name, OBJPROP_TEXT, text == "" ? " " : text);
      return true;
   }

   /// A person cannot move it by mistake, and it is not in the list of objects.
   void Passive(const long chart, const string name) {
      ObjectSetInteger(chart, name, OBJPROP_SELECTABLE, 0);
      ObjectSetInteger(chart, name, OBJPROP_HIDDEN, 1);
   }

   int Find(const string id) const {
      for(int i = 0; i < m_count; i++)
         if(m_drawings[i].id == id)
            return i;
      return -1;
   }

   /// Takes the objects of a drawing off all charts.
   void Erase(const int at) {
      long chart = ChartFirst();
      for(int i = 0; i < MTB_CHARTS_MAX && chart >= 0; i++) {
         ObjectsDeleteAll(chart, m_drawings[at].prefix);
         ChartRedraw(chart);
         chart = ChartNext(chart);
      }
      m_objects -= m_drawings[at].objects;
      m_drawings[at].objects = 0;
   }

   /// Forgets a drawing.
   void Remove(const int at) {
      Erase(at);
      m_count--;
      m_drawings[at] = m_drawings[m_count];
   }

   /// The charts of a symbol that are open now.
   int FindCharts(const string symbol) {
      int count = 0;
      long chart = ChartFirst();
      ArrayResize(m_charts, 0);
      for(int i = 0; i < MTB_CHARTS_MAX && chart >= 0; i++) {
         if(ChartSymbol(chart) == symbol) {
            ArrayResize(m_charts, count + 1);
            m_charts[count++] = chart;
         }
         chart = ChartNext(chart);
      }
      return count;
   }

   /// A name for the next object of a drawing; "" if there are too many.
   string NextName(const int at) {
      if(m_objects >= MTB_OBJECTS_MAX)
         return "";
      m_objects++;
      m_drawings[at].objects++;
      return m_drawings[at].prefix + IntegerToString(m_drawings[at].objects);
   }

   /// The looks that all objects have.
   void Dress(const long chart, const string name, const color shade, const int width, const string label) {
      ObjectSetInteger(chart, name, OBJPROP_COLOR, (long)shade);
      ObjectSetInteger(chart, name, OBJPROP_WIDTH, width < 1 ? 1 : (width > 5 ? 5 : width));
      if(label != "") {
         ObjectSetString(chart, name, OBJPROP_TEXT, label);
         ObjectSetString(chart, name, OBJPROP_TOOLTIP, label);
      }
      Passive(chart, name);
   }

   /// DrawPoint: a sign at a time and price, with its words beside it.
   void Sign(const int at, CPackReader &in) {
      in.Enter();
      long time = in.GetInt();
      bool low = in.GetSmall(255) == 1;
      double price = in.GetDouble();
      string label = in.GetText();
      color shade = ColorOf(in.GetUInt());
      int shape = in.GetSmall(255);
      int size = in.GetSmall(255);
      in.Leave();
      if(in.Failed() || !MathIsValidNumber(price) || price <= 0.0)
         return;
      // Wingdings: a dot, arrows up and down, a square.
      int code = shape == 1 ? 233 : (shape == 2 ? 234 : (shape == 3 ? 110 : 159));
      string sign = NextName(at);
      string words = label != "" ? NextName(at) : "";
      for(int i = 0; sign != "" && i < ArraySize(m_charts); i++) {
         ObjectCreate(m_charts[i], sign, OBJ_ARROW, 0, (datetime)time, price);
         ObjectSetInteger(m_charts[i], sign, OBJPROP_ARROWCODE, code);
         ObjectSetInteger(m_charts[i], sign, OBJPROP_ANCHOR, low ? (long)ANCHOR_TOP : (long)ANCHOR_BOTTOM);
         Dress(m_charts[i], sign, shade, size, label);
         if(words == "")
            continue;
         ObjectCreate(m_charts[i], words, OBJ_TEXT, 0, (datetime)time, price);
         ObjectSetInteger(m_charts[i], words, OBJPROP_ANCHOR, low ? (long)ANCHOR_LEFT_UPPER : (long)ANCHOR_LEFT_LOWER);
         Dress(m_charts[i], words, shade, 1, label);
      }
   }

   /// DrawLine: a level over the whole chart.
   void Line(const int at, CPackReader &in) {
      in.Enter();
      double price = in.GetDouble();
      string label = in.GetText();
      color shade = ColorOf(in.GetUInt());
      int style = in.GetSmall(255);
      int width = in.GetSmall(255);
      in.Leave();
      if(in.Failed() || !MathIsValidNumber(price) || price <= 0.0)
         return;
      string name = NextName(at);
      long look = style == 1 ? (long)STYLE_DASH : (style == 2 ? (long)STYLE_DOT : (long)STYLE_SOLID);
      for(int i = 0; name != "" && i < ArraySize(m_charts); i++) {
         ObjectCreate(m_charts[i], name, OBJ_HLINE, 0, (datetime)0, price);
         ObjectSetInteger(m_charts[i], name, OBJPROP_STYLE, look);
         // Only lines of width 1 are dashed or dotted.
         Dress(m_charts[i], name, shade, style == 0 ? width : 1, label);
      }
   }

   /// The place of a drawing, a new one if it is not known; -1 if there are too many.
   int Place(const string id) {
      int at = Find(id);
      if(at >= 0 || m_count >= MTB_DRAWINGS_MAX)
         return at;
      at = m_count++;
      m_drawings[at].id = id;
      ulong hash = MtbFnv1aName(MTB_FNV_START, id);
      m_drawings[at].prefix = MTB_OBJECT_PREFIX + StringFormat("%08x%08x", (uint)(hash >> 32), (uint)(hash & (ulong)0xFFFFFFFF)) + ".";
      m_drawings[at].expires_at = 0;
      m_drawings[at].objects = 0;
      return at;
   }

public:
   CChart() {
      m_panel = false;
      m_draws = false;
      m_count = 0;
      m_objects = 0;
      m_hub_ms = 0;
      m_hub_us = 0;
   }

   /// To be called in OnInit. What an instance that was killed left on the charts is taken off.
   void Init(const bool panel, const bool draws) {
      m_count = MTB_DRAWINGS_MAX;
      Clear();
      m_panel = panel;
      m_draws = draws;
   }

   /// The hub's clock, as Welcome tells it: UTC, epoch milliseconds. Drawings expire by it, whatever the PC's clock says.
   void HubTime(const long utc_ms) {
      m_hub_ms = utc_ms;
      m_hub_us = GetMicrosecondCount();
   }

   /// Shows how things stand, in words; `problem` is "" where there is none.
   void Panel(const string state, const string account, const string hub, const string problem) {
      if(!m_panel)
         return;
      color shade = problem == "" ? clrSilver : clrTomato;
      bool changed = SetLine(0, "MtBridge " + MTB_EA_VERSION, clrSilver);
      changed = SetLine(1, "State: " + state, shade) || changed;
      changed = SetLine(2, "Account: " + account, clrSilver) || changed;
      changed = SetLine(3, "Hub: " + hub, clrSilver) || changed;
      changed = SetLine(4, problem, clrTomato) || changed;
      if(changed)
         ChartRedraw(0);
   }

   /// The message Draw; `in` stands behind the count.
   void Draw(CPackReader &in) {
      string id = in.GetText();
      string symbol = in.GetText();
      // The timeframe and the bot's name for it are for other programs: a drawing shows on every chart of its symbol.
      in.Skip();
      in.Skip();
      long expires_at = in.GetInt();
      int flags = in.GetSmall(255);
      if(!m_draws || in.Failed() || StringLen(id) > MTB_DRAWING_ID_CHARS)
         return;
      int at = (flags & MTB_DRAW_REPLACE) != 0 ? Find(id) : -1;
      if(at >= 0)
         Erase(at);
      at = Place(id);
      if(at < 0)
         return;
      m_drawings[at].expires_at = expires_at;
      FindCharts(symbol);
      int points = in.Enter();
      for(int i = 0; i < points && !in.Failed(); i++)
         Sign(at, in);
      in.Leave();
      int lines = in.Enter();
      for(int i = 0; i < lines && !in.Failed(); i++)
         Line(at, in);
      in.Leave();
      for(int i = 0; i < ArraySize(m_charts); i++)
         ChartRedraw(m_charts[i]);
      if(m_drawings[at].objects == 0 && (flags & MTB_DRAW_MORE) == 0)
         Remove(at);
   }

   /// Takes off what has expired. To be called about once a second.
   void Turn() {
      for(int i = m_count - 1; i >= 0; i--)
         if(m_drawings[i].expires_at > 0 && m_drawings[i].expires_at <= NowMs())
            Remove(i);
   }

   /// Takes everything of ours off the charts. To be called in OnDeinit.
   void Clear() {
      if(m_count > 0) {
         long chart = ChartFirst();
         for(int i = 0; i < MTB_CHARTS_MAX && chart >= 0; i++) {
            ObjectsDeleteAll(chart, MTB_OBJECT_PREFIX);
            ChartRedraw(chart);
            chart = ChartNext(chart);
         }
      }
      ObjectsDeleteAll(0, MTB_OBJECT_PREFIX);
      m_count = 0;
      m_objects = 0;
      for(int i = 0; i < MTB_PANEL_LINES; i++)
         m_lines[i] = "";
   }
};

#endif
