//+------------------------------------------------------------------+
//| Platform4.mqh: the account of MetaTrader 4 in the other's words  |
//|                                                                  |
//| It knows only orders: an open market order is a position, one in |
//| the history has been one, and each makes two deals up: 2t when   |
//| it opened, 2t+1 when it closed. Closing a part closes the order  |
//| and opens another, whose comment says "from #" and the ticket.   |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_PLATFORM4_MQH
#define MTBRIDGE_PLATFORM4_MQH

#include <MtBridge\ReadsRows.mqh>

/// Every account of MetaTrader 4 is a hedging one.
#define MTB_MARGIN_HEDGING 2
/// The last time that MetaTrader 4 knows: 2037.12.31.
#define MTB_TIME_MAX 2145830400
/// OrderType() of deposits and credits, which have no names in MQL4.
#define MTB_OP_BALANCE 6
#define MTB_OP_CREDIT 7
/// The broker's clock and UTC are never further apart.
#define MTB_OFFSET_MAX_S 54000

/// When the broker's clock last moved, and what it was ahead of the PC's UTC then, seconds. MetaTrader 4 tells only the time of
/// the last tick, which stands still in a quiet market.
long g_clock_last = 0;
long g_clock_ahead = 0;
bool g_clock_known = false;
/// What the terminal's global variable has of it.
long g_clock_kept = 0;

/// The terminal's global variable that keeps the offset over restarts, for an EA that is attached while the market is closed.
string ClockName() {
   return "MtBridge.utc." + IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
}

/// Takes in the time of the last tick.
void ClockTurn() {
   long ticked = (long)TimeCurrent();
   if(ticked <= 0 || ticked == g_clock_last)
      return;
   long ahead = ticked - (long)TimeGMT();
   // The first reading may be the tick of a market that closed days ago; one that was seen to move is of now.
   bool fresh = g_clock_last != 0;
   g_clock_last = ticked;
   if(fresh || (!g_clock_known && ahead <= MTB_OFFSET_MAX_S && ahead >= -MTB_OFFSET_MAX_S)) {
      g_clock_ahead = ahead;
      g_clock_known = g_clock_known || fresh;
   }
   if(fresh && RoundToQuarter(ahead) != g_clock_kept) {
      g_clock_kept = RoundToQuarter(ahead);
      GlobalVariableSet(ClockName(), (double)g_clock_kept);
   }
}

/// To be called in OnInit.
void PlatformStart() {
   ExecuteReset();
   TransactionsReset();
   SyncReset();
   g_clock_last = 0;
   g_clock_ahead = 0;
   g_clock_known = false;
   g_clock_kept = -MTB_TIME_MAX;
   double kept = 0;
   if(GlobalVariableGet(ClockName(), kept)) {
      g_clock_kept = (long)kept;
      g_clock_ahead = g_clock_kept;
      g_clock_known = true;
   }
   ClockTurn();
}

/// To be called in OnDeinit.
void PlatformStop() {
}

int PlatformNumber() {
   return 4;
}

/// The trade server's wall clock now, epoch seconds: the PC's, corrected by the last tick that was seen to come.
long BrokerTime() {
   ClockTurn();
   long now = (long)TimeGMT() + g_clock_ahead;
   long ticked = (long)TimeCurrent();
   return now > ticked ? now : ticked;
}

/// Broker time minus UTC, seconds.
int UtcOffsetSeconds() {
   ClockTurn();
   return RoundToQuarter(g_clock_ahead);
}

int MarginMode() {
   return MTB_MARGIN_HEDGING;
}

/// Whether an order of this type is pending.
bool IsPendingType(const int type) {
   return type >= OP_BUYLIMIT && type <= OP_SELLSTOP;
}

/// Whether an order of this type is, or was, a position.
bool IsMarketType(const int type) {
   return type == OP_BUY || type == OP_SELL;
}

int PositionCount() {
   int count = 0;
   for(int i = OrdersTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES) && IsMarketType(OrderType()))
         count++;
   return count;
}

int PendingCount() {
   int count = 0;
   for(int i = OrdersTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES) && IsPendingType(OrderType()))
         count++;
   return count;
}

/// How many orders the terminal has, open and of the history. The rest of `counts` is for the other platform.
bool BrokerCounts(int &counts[]) {
   counts[0] = OrdersTotal();
   counts[1] = OrdersHistoryTotal();
   counts[2] = 0;
   counts[3] = 0;
   return true;
}

/// The magic of the selected order, as the hub knows it: 31 bits of a number with a sign.
ulong SelectedMagic() {
   return (ulong)((long)OrderMagicNumber() & 0x7FFFFFFF);
}

/// Where in a comment the broker's note begins that a stop closed the order: "[sl", "[tp" or "[so"; -1 if there is none.
int StopNote(const string comment) {
   int at = StringFind(comment, "[sl", 0);
   if(at < 0)
      at = StringFind(comment, "[tp", 0);
   if(at < 0)
      at = StringFind(comment, "[so", 0);
   return at;
}

/// The comment that the order was opened with.
string OpeningComment(const string comment) {
   int note = StopNote(comment);
   if(note < 0)
      return comment;
   // A length of 0 means all that is left, in MQL4.
   return note > 0 ? StringSubstr(comment, 0, note) : "";
}

/// MetaTrader 4 does not tell who opened an order: with a magic it was a program.
int OpeningReason(const ulong magic) {
   return magic != 0 ? MTB_REASON_EXPERT : MTB_REASON_CLIENT;
}

/// Why an order with this comment was closed.
int ClosingReason(const string comment, const ulong magic) {
   int note = StopNote(comment);
   if(note >= 0) {
      string word = StringSubstr(comment, note + 1, 2);
      return word == "sl" ? MTB_REASON_SL : (word == "tp" ? MTB_REASON_TP : MTB_REASON_SO);
   }
   // Older servers write the stop-out in front.
   return StringFind(comment, "so:", 0) == 0 ? MTB_REASON_SO : OpeningReason(magic);
}

/// The price now at which a symbol is bought (even types) or sold.
double SidePrice(const string symbol, const int type) {
   return SymbolInfoDouble(symbol, (type & 1) == 0 ? SYMBOL_ASK : SYMBOL_BID);
}

/// The selected open market order.
void ReadPosition(MtbPosition &row) {
   row.ticket = (ulong)OrderTicket();
   row.time = (long)OrderOpenTime();
   row.time_msc = row.time * 1000;
   row.time_update = row.time;
   row.time_update_msc = row.time_msc;
   row.type = OrderType();
   row.magic = SelectedMagic();
   row.identifier = row.ticket;
   row.reason = OpeningReason(row.magic);
   row.volume = OrderLots();
   row.price_open = OrderOpenPrice();
   row.sl = OrderStopLoss();
   row.tp = OrderTakeProfit();
   row.price_current = OrderClosePrice();
   row.swap = OrderSwap();
   row.profit = OrderProfit();
   row.symbol = OrderSymbol();
   row.comment = OrderComment();
   row.external_id = "";
}

/// The selected pending order, open or of the history.
void ReadOrder(MtbOrder &row) {
   ClearOrder(row);
   row.ticket = (ulong)OrderTicket();
   row.time_setup = (long)OrderOpenTime();
   row.time_setup_msc = row.time_setup * 1000;
   row.time_done = (long)OrderCloseTime();
   row.time_done_msc = row.time_done * 1000;
   row.time_expiration = (long)OrderExpiration();
   row.type = OrderType();
   row.type_time = row.time_expiration > 0 ? 2 : 0;
   row.state = MTB_ORDER_PLACED;
   if(row.time_done > 0)
      row.state = row.time_expiration > 0 && row.time_done >= row.time_expiration ? MTB_ORDER_EXPIRED : MTB_ORDER_CANCELED;
   row.magic = SelectedMagic();
   row.reason = OpeningReason(row.magic);
   row.volume_initial = OrderLots();
   row.volume_current = row.volume_initial;
   row.price_open = OrderOpenPrice();
   row.sl = OrderStopLoss();
   row.tp = OrderTakeProfit();
   row.symbol = OrderSymbol();
   row.price_current = row.time_done > 0 ? 0.0 : SidePrice(row.symbol, row.type);
   row.comment = OrderComment();
}

/// The deal by which the selected order, or deposit, opened.
void ReadOpening(MtbDeal &row) {
   ClearDeal(row);
   int type = OrderType();
   bool market = IsMarketType(type);
   ulong ticket = (ulong)OrderTicket();
   row.ticket = market ? ticket * 2 : ticket;
   row.order = market ? ticket : 0;
   row.time = (long)OrderOpenTime();
   row.time_msc = row.time * 1000;
   row.type = market ? type : (type == MTB_OP_CREDIT ? MTB_DEAL_CREDIT : MTB_DEAL_BALANCE);
   row.entry = MTB_ENTRY_IN;
   if(!market) {
      row.profit = OrderProfit();
      row.comment = OrderComment();
      return;
   }
   row.magic = SelectedMagic();
   row.position_id = ticket;
   row.reason = OpeningReason(row.magic);
   row.volume = OrderLots();
   row.price = OrderOpenPrice();
   row.commission = OrderCommission();
   row.symbol = OrderSymbol();
   row.comment = OpeningComment(OrderComment());
}

/// The deal by which the selected order of the history closed.
void ReadClosing(MtbDeal &row) {
   ReadOpening(row);
   string comment = OrderComment();
   int note = StopNote(comment);
   row.ticket = row.ticket + 1;
   row.time = (long)OrderCloseTime();
   row.time_msc = row.time * 1000;
   row.type = 1 - OrderType();
   row.entry = MTB_ENTRY_OUT;
   row.reason = ClosingReason(comment, row.magic);
   row.price = OrderClosePrice();
   // The whole commission stands on the opening: an order has one figure for both.
   row.commission = 0.0;
   row.swap = OrderSwap();
   row.profit = OrderProfit();
   row.comment = note < 0 ? comment : StringSubstr(comment, note);
}

/// The open market orders, of one symbol and ticket or of all ("" and 0). Returns how many.
int ListPositions(const string symbol, const ulong ticket, MtbPosition &rows[]) {
   int count = 0;
   int total = OrdersTotal();
   ArrayResize(rows, total);
   for(int i = 0; i < total; i++) {
      if(!OrderSelect(i, SELECT_BY_POS, MODE_TRADES) || !IsMarketType(OrderType()))
         continue;
      if((ticket != 0 && (ulong)OrderTicket() != ticket) || (symbol != "" && OrderSymbol() != symbol))
         continue;
      ReadPosition(rows[count++]);
   }
   return count;
}

/// The pending orders, as ListPositions.
int ListOrders(const string symbol, const ulong ticket, MtbOrder &rows[]) {
   int count = 0;
   int total = OrdersTotal();
   ArrayResize(rows, total);
   for(int i = 0; i < total; i++) {
      if(!OrderSelect(i, SELECT_BY_POS, MODE_TRADES) || !IsPendingType(OrderType()))
         continue;
      if((ticket != 0 && (ulong)OrderTicket() != ticket) || (symbol != "" && OrderSymbol() != symbol))
         continue;
      ReadOrder(rows[count++]);
   }
   return count;
}

/// What is kept of each deal that is asked for, until it is known which page of them is wanted.
class CDealIndex {
public:
   /// Milliseconds.
   long m_times[];
   /// Tickets of deals.
   ulong m_tickets[];
   /// Tickets of the orders that they are made of.
   int m_orders[];
   int m_order[];
   int m_count;

   CDealIndex() { m_count = 0; }

   void Add(const MtbHistoryFilter &filter, const ulong deal, const bool market, const long time, const int order) {
      ulong id = market ? (ulong)order : 0;
      if(time < filter.from || time > filter.to || (filter.position != 0 && id != filter.position))
         return;
      if(filter.ticket != 0 && deal != filter.ticket && id != filter.ticket)
         return;
      if(m_count >= ArraySize(m_times)) {
         ArrayResize(m_times, m_count + 1, 4096);
         ArrayResize(m_tickets, m_count + 1, 4096);
         ArrayResize(m_orders, m_count + 1, 4096);
         ArrayResize(m_order, m_count + 1, 4096);
      }
      m_times[m_count] = time * 1000;
      m_tickets[m_count] = deal;
      m_orders[m_count] = order;
      m_order[m_count] = m_count;
      m_count++;
   }

   /// The deals of the selected order.
   void AddSelected(const MtbHistoryFilter &filter, const bool closed) {
      int type = OrderType();
      int order = OrderTicket();
      ulong ticket = (ulong)order;
      if(IsPendingType(type))
         return;
      bool market = IsMarketType(type);
      Add(filter, market ? ticket * 2 : ticket, market, (long)OrderOpenTime(), order);
      if(closed && market)
         Add(filter, ticket * 2 + 1, true, (long)OrderCloseTime(), order);
   }
};

/// Deals made up of the orders, oldest first. Returns how many.
int ListDeals(const MtbHistoryFilter &filter, MtbDeal &rows[]) {
   CDealIndex index;
   int done = OrdersHistoryTotal();
   for(int i = 0; i < done; i++)
      if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY))
         index.AddSelected(filter, true);
   int open = OrdersTotal();
   for(int i = 0; i < open; i++)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES))
         index.AddSelected(filter, false);
   MtbSortByTime(index.m_times, index.m_tickets, index.m_order, index.m_count);
   int count = 0;
   for(int i = filter.offset; i < index.m_count && count < filter.limit; i++) {
      int at = index.m_order[i];
      if(!OrderSelect(index.m_orders[at], SELECT_BY_TICKET))
         continue;
      if(count >= ArraySize(rows))
         ArrayResize(rows, count + 1, 1024);
      if(IsMarketType(OrderType()) && index.m_tickets[at] == (ulong)index.m_orders[at] * 2 + 1)
         ReadClosing(rows[count]);
      else
         ReadOpening(rows[count]);
      count++;
   }
   return count;
}

/// Pending orders that never opened, by the time at which they ended, oldest first. Returns how many.
int ListHistoryOrders(const MtbHistoryFilter &filter, MtbOrder &rows[]) {
   long times[];
   ulong tickets[];
   int order[];
   int found = 0;
   int total = OrdersHistoryTotal();
   for(int i = 0; i < total; i++) {
      if(!OrderSelect(i, SELECT_BY_POS, MODE_HISTORY) || !IsPendingType(OrderType()) || filter.position != 0)
         continue;
      long time = (long)OrderCloseTime();
      ulong ticket = (ulong)OrderTicket();
      if(time < filter.from || time > filter.to || (filter.ticket != 0 && ticket != filter.ticket))
         continue;
      if(found >= ArraySize(times)) {
         ArrayResize(times, found + 1, 4096);
         ArrayResize(tickets, found + 1, 4096);
         ArrayResize(order, found + 1, 4096);
      }
      times[found] = time;
      tickets[found] = ticket;
      order[found] = found;
      found++;
   }
   MtbSortByTime(times, tickets, order, found);
   int count = 0;
   for(int i = filter.offset; i < found && count < filter.limit; i++) {
      if(!OrderSelect((int)tickets[order[i]], SELECT_BY_TICKET))
         continue;
      if(count >= ArraySize(rows))
         ArrayResize(rows, count + 1, 1024);
      ReadOrder(rows[count++]);
   }
   return count;
}

/// The highest of the hub's tags among the orders, open and of the history that the terminal shows; 0 if there is none.
ulong HighestTagAtBroker() {
   ulong highest = 0;
   for(int i = OrdersTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES))
         highest = HigherTag(highest, SelectedMagic());
   for(int i = OrdersHistoryTotal() - 1; i >= 0; i--)
      if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY))
         highest = HigherTag(highest, SelectedMagic());
   return highest;
}

#endif
