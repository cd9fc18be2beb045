//+------------------------------------------------------------------+
//| Platform5.mqh: the account of MetaTrader 5                       |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_PLATFORM5_MQH
#define MTBRIDGE_PLATFORM5_MQH

#include <MtBridge\ReadsRows.mqh>

/// `ACCOUNT_MARGIN_MODE_RETAIL_HEDGING`.
#define MTB_MARGIN_HEDGING 2
/// The last time that MetaTrader 5 knows: 3000.12.31.
#define MTB_TIME_MAX 32535129600

/// Highest tag found in the history so far, and the broker time up to which the history was searched for it.
ulong g_highest_tag = 0;
long g_highest_tag_until = 0;

/// To be called in OnInit.
void PlatformStart() {
   ExecuteReset();
   TransactionsReset();
   SyncReset();
   g_highest_tag = 0;
   g_highest_tag_until = 0;
}

/// To be called in OnDeinit.
void PlatformStop() {
   ReleaseBooks();
}

int PlatformNumber() {
   return 5;
}

/// The trade server's wall clock now, epoch seconds.
long BrokerTime() {
   return (long)TimeTradeServer();
}

/// Broker time minus UTC, seconds.
int UtcOffsetSeconds() {
   return RoundToQuarter((long)TimeTradeServer() - (long)TimeGMT());
}

/// ACCOUNT_MARGIN_MODE: 0 netting, 1 exchange, 2 hedging.
int MarginMode() {
   return (int)AccountInfoInteger(ACCOUNT_MARGIN_MODE);
}

int PositionCount() {
   return PositionsTotal();
}

int PendingCount() {
   return OrdersTotal();
}

/// How many positions, orders, past deals and past orders the terminal has. False if it does not give its history.
bool BrokerCounts(int &counts[]) {
   if(!HistorySelect((datetime)0, (datetime)MTB_TIME_MAX))
      return false;
   counts[0] = PositionsTotal();
   counts[1] = OrdersTotal();
   counts[2] = HistoryDealsTotal();
   counts[3] = HistoryOrdersTotal();
   return true;
}

/// A time that MetaTrader 5 can be asked for.
datetime HistoryTime(const long time) {
   if(time < 0)
      return (datetime)0;
   return time > MTB_TIME_MAX ? (datetime)MTB_TIME_MAX : (datetime)time;
}

/// The position that is selected.
void ReadPosition(MtbPosition &row) {
   row.ticket = (ulong)PositionGetInteger(POSITION_TICKET);
   row.time = (long)PositionGetInteger(POSITION_TIME);
   row.time_msc = (long)PositionGetInteger(POSITION_TIME_MSC);
   row.time_update = (long)PositionGetInteger(POSITION_TIME_UPDATE);
   row.time_update_msc = (long)PositionGetInteger(POSITION_TIME_UPDATE_MSC);
   row.type = (int)PositionGetInteger(POSITION_TYPE);
   row.magic = (ulong)PositionGetInteger(POSITION_MAGIC);
   row.identifier = (ulong)PositionGetInteger(POSITION_IDENTIFIER);
   row.reason = (int)PositionGetInteger(POSITION_REASON);
   row.volume = PositionGetDouble(POSITION_VOLUME);
   row.price_open = PositionGetDouble(POSITION_PRICE_OPEN);
   row.sl = PositionGetDouble(POSITION_SL);
   row.tp = PositionGetDouble(POSITION_TP);
   row.price_current = PositionGetDouble(POSITION_PRICE_CURRENT);
   row.swap = PositionGetDouble(POSITION_SWAP);
   row.profit = PositionGetDouble(POSITION_PROFIT);
   row.symbol = PositionGetString(POSITION_SYMBOL);
   row.comment = PositionGetString(POSITION_COMMENT);
   row.external_id = PositionGetString(POSITION_EXTERNAL_ID);
}

/// The open order that is selected.
void ReadOrder(MtbOrder &row) {
   row.ticket = (ulong)OrderGetInteger(ORDER_TICKET);
   row.time_setup = (long)OrderGetInteger(ORDER_TIME_SETUP);
   row.time_setup_msc = (long)OrderGetInteger(ORDER_TIME_SETUP_MSC);
   row.time_done = (long)OrderGetInteger(ORDER_TIME_DONE);
   row.time_done_msc = (long)OrderGetInteger(ORDER_TIME_DONE_MSC);
   row.time_expiration = (long)OrderGetInteger(ORDER_TIME_EXPIRATION);
   row.type = (int)OrderGetInteger(ORDER_TYPE);
   row.type_time = (int)OrderGetInteger(ORDER_TYPE_TIME);
   row.type_filling = (int)OrderGetInteger(ORDER_TYPE_FILLING);
   row.state = (int)OrderGetInteger(ORDER_STATE);
   row.magic = (ulong)OrderGetInteger(ORDER_MAGIC);
   row.position_id = (ulong)OrderGetInteger(ORDER_POSITION_ID);
   row.position_by_id = (ulong)OrderGetInteger(ORDER_POSITION_BY_ID);
   row.reason = (int)OrderGetInteger(ORDER_REASON);
   row.volume_initial = OrderGetDouble(ORDER_VOLUME_INITIAL);
   row.volume_current = OrderGetDouble(ORDER_VOLUME_CURRENT);
   row.price_open = OrderGetDouble(ORDER_PRICE_OPEN);
   row.sl = OrderGetDouble(ORDER_SL);
   row.tp = OrderGetDouble(ORDER_TP);
   row.price_current = OrderGetDouble(ORDER_PRICE_CURRENT);
   row.price_stoplimit = OrderGetDouble(ORDER_PRICE_STOPLIMIT);
   row.symbol = OrderGetString(ORDER_SYMBOL);
   row.comment = OrderGetString(ORDER_COMMENT);
   row.external_id = OrderGetString(ORDER_EXTERNAL_ID);
}

/// An order of the history that is selected.
void ReadHistoryOrder(const ulong ticket, MtbOrder &row) {
   row.ticket = ticket;
   row.time_setup = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_SETUP);
   row.time_setup_msc = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_SETUP_MSC);
   row.time_done = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_DONE);
   row.time_done_msc = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_DONE_MSC);
   row.time_expiration = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_EXPIRATION);
   row.type = (int)HistoryOrderGetInteger(ticket, ORDER_TYPE);
   row.type_time = (int)HistoryOrderGetInteger(ticket, ORDER_TYPE_TIME);
   row.type_filling = (int)HistoryOrderGetInteger(ticket, ORDER_TYPE_FILLING);
   row.state = (int)HistoryOrderGetInteger(ticket, ORDER_STATE);
   row.magic = (ulong)HistoryOrderGetInteger(ticket, ORDER_MAGIC);
   row.position_id = (ulong)HistoryOrderGetInteger(ticket, ORDER_POSITION_ID);
   row.position_by_id = (ulong)HistoryOrderGetInteger(ticket, ORDER_POSITION_BY_ID);
   row.reason = (int)HistoryOrderGetInteger(ticket, ORDER_REASON);
   row.volume_initial = HistoryOrderGetDouble(ticket, ORDER_VOLUME_INITIAL);
   row.volume_current = HistoryOrderGetDouble(ticket, ORDER_VOLUME_CURRENT);
   row.price_open = HistoryOrderGetDouble(ticket, ORDER_PRICE_OPEN);
   row.sl = HistoryOrderGetDouble(ticket, ORDER_SL);
   row.tp = HistoryOrderGetDouble(ticket, ORDER_TP);
   row.price_current = HistoryOrderGetDouble(ticket, ORDER_PRICE_CURRENT);
   row.price_stoplimit = HistoryOrderGetDouble(ticket, ORDER_PRICE_STOPLIMIT);
   row.symbol = HistoryOrderGetString(ticket, ORDER_SYMBOL);
   row.comment = HistoryOrderGetString(ticket, ORDER_COMMENT);
   row.external_id = HistoryOrderGetString(ticket, ORDER_EXTERNAL_ID);
}

/// A deal of the history that is selected.
void ReadDeal(const ulong ticket, MtbDeal &row) {
   row.ticket = ticket;
   row.order = (ulong)HistoryDealGetInteger(ticket, DEAL_ORDER);
   row.time = (long)HistoryDealGetInteger(ticket, DEAL_TIME);
   row.time_msc = (long)HistoryDealGetInteger(ticket, DEAL_TIME_MSC);
   row.type = (int)HistoryDealGetInteger(ticket, DEAL_TYPE);
   row.entry = (int)HistoryDealGetInteger(ticket, DEAL_ENTRY);
   row.magic = (ulong)HistoryDealGetInteger(ticket, DEAL_MAGIC);
   row.position_id = (ulong)HistoryDealGetInteger(ticket, DEAL_POSITION_ID);
   row.reason = (int)HistoryDealGetInteger(ticket, DEAL_REASON);
   row.volume = HistoryDealGetDouble(ticket, DEAL_VOLUME);
   row.price = HistoryDealGetDouble(ticket, DEAL_PRICE);
   row.commission = HistoryDealGetDouble(ticket, DEAL_COMMISSION);
   row.swap = HistoryDealGetDouble(ticket, DEAL_SWAP);
   row.profit = HistoryDealGetDouble(ticket, DEAL_PROFIT);
   row.fee = HistoryDealGetDouble(ticket, DEAL_FEE);
   row.symbol = HistoryDealGetString(ticket, DEAL_SYMBOL);
   row.comment = HistoryDealGetString(ticket, DEAL_COMMENT);
   row.external_id = HistoryDealGetString(ticket, DEAL_EXTERNAL_ID);
}

/// The open positions, of one symbol and ticket or of all ("" and 0). Returns how many.
int ListPositions(const string symbol, const ulong ticket, MtbPosition &rows[]) {
   int count = 0;
   int total = PositionsTotal();
   ArrayResize(rows, total);
   for(int i = 0; i < total; i++) {
      ulong one = PositionGetTicket(i);
      // One that was closed meanwhile cannot be selected any more.
      if(one == 0 || (ticket != 0 && one != ticket))
         continue;
      if(symbol != "" && PositionGetString(POSITION_SYMBOL) != symbol)
         continue;
      ReadPosition(rows[count++]);
   }
   return count;
}

/// The open orders, as ListPositions.
int ListOrders(const string symbol, const ulong ticket, MtbOrder &rows[]) {
   int count = 0;
   int total = OrdersTotal();
   ArrayResize(rows, total);
   for(int i = 0; i < total; i++) {
      ulong one = OrderGetTicket(i);
      if(one == 0 || (ticket != 0 && one != ticket))
         continue;
      if(symbol != "" && OrderGetString(ORDER_SYMBOL) != symbol)
         continue;
      ReadOrder(rows[count++]);
   }
   return count;
}

/// Whether a deal is asked for.
bool WantsDeal(const MtbHistoryFilter &filter, const ulong ticket) {
   long time = (long)HistoryDealGetInteger(ticket, DEAL_TIME);
   if(time < filter.from || time > filter.to)
      return false;
   if(filter.position != 0 && (ulong)HistoryDealGetInteger(ticket, DEAL_POSITION_ID) != filter.position)
      return false;
   return filter.ticket == 0 || ticket == filter.ticket || (ulong)HistoryDealGetInteger(ticket, DEAL_ORDER) == filter.ticket;
}

/// Deals of the history, oldest first. Returns how many, -1 if the terminal cannot tell.
int ListDeals(const MtbHistoryFilter &filter, MtbDeal &rows[]) {
   if(!HistorySelect(HistoryTime(filter.from), HistoryTime(filter.to)))
      return -1;
   int count = 0;
   int passed = 0;
   int total = HistoryDealsTotal();
   for(int i = 0; i < total && count < filter.limit; i++) {
      ulong ticket = HistoryDealGetTicket(i);
      if(ticket == 0 || !WantsDeal(filter, ticket))
         continue;
      if(passed++ < filter.offset)
         continue;
      if(count >= ArraySize(rows))
         ArrayResize(rows, count + 1, 1024);
      ReadDeal(ticket, rows[count++]);
   }
   return count;
}

/// Whether an order of the history is asked for.
bool WantsHistoryOrder(const MtbHistoryFilter &filter, const ulong ticket) {
   long time = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_DONE);
   if(time < filter.from || time > filter.to || (filter.ticket != 0 && ticket != filter.ticket))
      return false;
   return filter.position == 0 || (ulong)HistoryOrderGetInteger(ticket, ORDER_POSITION_ID) == filter.position ||
          (ulong)HistoryOrderGetInteger(ticket, ORDER_POSITION_BY_ID) == filter.position;
}

/// Orders of the history by the time at which they ended, oldest first. Returns how many, -1 if the terminal cannot tell.
int ListHistoryOrders(const MtbHistoryFilter &filter, MtbOrder &rows[]) {
   // The reference does not say which of an order's times the span is about, and one may stand for months: so from the beginning.
   if(!HistorySelect((datetime)0, (datetime)MTB_TIME_MAX))
      return -1;
   int total = HistoryOrdersTotal();
   long times[];
   ulong tickets[];
   int order[];
   int found = 0;
   for(int i = 0; i < total; i++) {
      ulong ticket = HistoryOrderGetTicket(i);
      if(ticket == 0 || !WantsHistoryOrder(filter, ticket))
         continue;
      if(found >= ArraySize(times)) {
         ArrayResize(times, found + 1, 4096);
         ArrayResize(tickets, found + 1, 4096);
         ArrayResize(order, found + 1, 4096);
      }
      times[found] = (long)HistoryOrderGetInteger(ticket, ORDER_TIME_DONE_MSC);
      tickets[found] = ticket;
      order[found] = found;
      found++;
   }
   MtbSortByTime(times, tickets, order, found);
   int count = 0;
   for(int i = filter.offset; i < found && count < filter.limit; i++) {
      if(count >= ArraySize(rows))
         ArrayResize(rows, count + 1, 1024);
      ReadHistoryOrder(tickets[order[i]], rows[count++]);
   }
   return count;
}

/// The highest of the hub's tags among deals, orders and positions; 0 if there is none. The whole history is searched once.
ulong HighestTagAtBroker() {
   ulong highest = g_highest_tag;
   // A day of overlap: a broker may show late what it did.
   long from = g_highest_tag_until > 86400 ? g_highest_tag_until - 86400 : 0;
   if(HistorySelect((datetime)from, (datetime)MTB_TIME_MAX)) {
      int deals = HistoryDealsTotal();
      for(int i = 0; i < deals; i++)
         highest = HigherTag(highest, (ulong)HistoryDealGetInteger(HistoryDealGetTicket(i), DEAL_MAGIC));
      int done = HistoryOrdersTotal();
      for(int i = 0; i < done; i++)
         highest = HigherTag(highest, (ulong)HistoryOrderGetInteger(HistoryOrderGetTicket(i), ORDER_MAGIC));
      // Without a link the history of this start may still be on its way.
      if(BrokerConnected()) {
         g_highest_tag = highest;
         g_highest_tag_until = BrokerTime();
      }
   }
   int positions = PositionsTotal();
   for(int i = 0; i < positions; i++)
      if(PositionGetTicket(i) != 0)
         highest = HigherTag(highest, (ulong)PositionGetInteger(POSITION_MAGIC));
   int open = OrdersTotal();
   for(int i = 0; i < open; i++)
      if(OrderGetTicket(i) != 0)
         highest = HigherTag(highest, (ulong)OrderGetInteger(ORDER_MAGIC));
   return highest;
}

#endif
