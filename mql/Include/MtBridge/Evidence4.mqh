//+------------------------------------------------------------------+
//| Evidence4.mqh: marks in the orders of MetaTrader 4               |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_EVIDENCE4_MQH
#define MTBRIDGE_EVIDENCE4_MQH

#include <MtBridge\Platform.mqh>

/// An order of the history was missing where it must have been: the Account History tab shows only a part.
bool g_history_blind = false;

/// An order that is, or was, a position.
struct MtbMarketOrder {
   int ticket;
   /// The order of which it is what a closing in part left; 0 if it was opened itself.
   int from;
   int type;
   string symbol;
   string comment;
   ulong magic;
   double lots;
   double price;
   long time;
};

/// Whether an order is open: a position, or a pending one that stands.
bool IsOrderOpen(const ulong ticket) {
   if(ticket == 0 || ticket > (ulong)INT_MAX)
      return false;
   return OrderSelect((int)ticket, SELECT_BY_TICKET) && OrderCloseTime() == 0;
}

/// Whether the history that the terminal shows holds all since a time: whether something in it is as old, and something ended
/// since. The Account History tab may be set to any span of days, and an order that opened and closed outside of it is nowhere.
bool HistoryCovers(const long dispatched) {
   if(g_history_blind)
      return false;
   bool older = false;
   bool younger = false;
   for(int i = OrdersHistoryTotal() - 1; i >= 0; i--) {
      if(!OrderSelect(i, SELECT_BY_POS, MODE_HISTORY))
         continue;
      long ended = (long)OrderCloseTime();
      if(ended == 0)
         ended = (long)OrderOpenTime();
      older = older || ended <= dispatched;
      younger = younger || ended >= dispatched;
   }
   return older && younger;
}

/// The ticket behind "from #"; 0 if the comment says no such thing.
int OlderTicket(const string comment) {
   if(StringFind(comment, "from #", 0) != 0)
      return 0;
   long ticket = StringToInteger(StringSubstr(comment, 6));
   return ticket > 0 && ticket <= (long)INT_MAX ? (int)ticket : 0;
}

/// Adds the selected order if it is a market order with the magic, or, at a broker that does not keep it, with the mark.
void AddMarketOrder(const MtbCase &look, MtbMarketOrder &all[]) {
   if(!IsMarketType(OrderType()) || (SelectedMagic() != look.magic && FirstWord(OrderComment()) != look.mark))
      return;
   int at = ArraySize(all);
   ArrayResize(all, at + 1, 64);
   all[at].ticket = OrderTicket();
   all[at].type = OrderType();
   all[at].symbol = OrderSymbol();
   all[at].comment = OpeningComment(OrderComment());
   all[at].from = OlderTicket(all[at].comment);
   all[at].magic = SelectedMagic();
   all[at].lots = OrderLots();
   all[at].price = OrderOpenPrice();
   all[at].time = (long)OrderOpenTime();
}

/// All market orders with the magic or the mark: open ones, and those of the history that the terminal shows.
void ListMarketOrders(const MtbCase &look, MtbMarketOrder &all[]) {
   int done = OrdersHistoryTotal();
   for(int i = 0; i < done; i++)
      if(OrderSelect(i, SELECT_BY_POS, MODE_HISTORY))
         AddMarketOrder(look, all);
   int open = OrdersTotal();
   for(int i = 0; i < open; i++)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES))
         AddMarketOrder(look, all);
}

/// Where in the list an order is; -1 if it is not there.
int MarketOrderAt(const MtbMarketOrder &all[], const int ticket) {
   for(int i = ArraySize(all) - 1; i >= 0; i--)
      if(all[i].ticket == ticket)
         return i;
   return -1;
}

/// Where in the list the order is from which a chain of closings in part comes. Every step goes to an older, lower ticket.
int RootOf(const MtbMarketOrder &all[], const int at) {
   int root = at;
   while(all[root].from > 0 && all[root].from < all[root].ticket) {
      int older = MarketOrderAt(all, all[root].from);
      if(older < 0)
         return root;
      root = older;
   }
   return root;
}

/// Whether a comment hides the one that the order was opened with: servers write "to #" on the part that closed, and "from #" on
/// the rest.
bool IsCommentLost(const string comment) {
   return StringFind(comment, "to #", 0) == 0 || StringFind(comment, "from #", 0) == 0;
}

/// Openings that bear the mark; what closings in part left counts with the order that it came from.
int LookFilled(const MtbCase &look, MtbResult &result) {
   MtbMarketOrder orders[];
   MtbFills fills[];
   bool doubtful = false;
   ListMarketOrders(look, orders);
   int count = ArraySize(orders);
   for(int i = 0; i < count; i++) {
      if(orders[i].time < look.since)
         continue;
      int root = RootOf(orders, i);
      bool alike = orders[i].symbol == look.request.symbol && orders[i].type == (look.request.type & 1);
      if(IsMarked(look, orders[i].time, MTB_REASON_EXPERT, orders[i].magic, orders[root].comment))
         AddFill(fills, (ulong)orders[root].ticket, (ulong)orders[i].ticket * 2, orders[i].lots, orders[i].price, alike);
      else if(alike && IsUnmarked(look, orders[i].time, MTB_REASON_EXPERT, orders[i].magic, orders[root].comment))
         doubtful = true;
   }
   // What was closed in part may have parts that the tab does not show.
   for(int i = 0; i < ArraySize(fills); i++) {
      int at = MarketOrderAt(orders, (int)fills[i].order);
      fills[i].ended = fills[i].count == 1 && at >= 0 && !IsCommentLost(orders[at].comment);
   }
   int found = JudgeFills(look, fills, result);
   // It may be the one; its absence is not proved.
   return found == MTB_LOOK_NOTHING && doubtful ? MTB_LOOK_DIFFERENT : found;
}

/// Whether the selected order is a pending one that bears the mark, or may be the one although it has lost it; `order` is filled then.
bool IsSuspectPending(const MtbCase &look, MtbOrder &order) {
   if(!IsPendingType(OrderType()))
      return false;
   ReadOrder(order);
   if(IsMarked(look, order.time_setup, MTB_REASON_EXPERT, order.magic, order.comment))
      return true;
   return IsUnmarked(look, order.time_setup, MTB_REASON_EXPERT, order.magic, order.comment) &&
          order.symbol == look.request.symbol && (order.type & 1) == (look.request.type & 1);
}

/// A pending order that stands, or was removed before it opened.
int LookPlaced(const MtbCase &look, MtbResult &result) {
   bool any = false;
   MtbOrder order;
   int open = OrdersTotal();
   int done = OrdersHistoryTotal();
   for(int i = 0; i < open + done; i++) {
      bool selected = i < open ? OrderSelect(i, SELECT_BY_POS, MODE_TRADES) : OrderSelect(i - open, SELECT_BY_POS, MODE_HISTORY);
      if(!selected || !IsSuspectPending(look, order))
         continue;
      any = true;
      if(IsMarked(look, order.time_setup, MTB_REASON_EXPERT, order.magic, order.comment) && IsPlaced(look, order)) {
         TellPlaced(order, result);
         return MTB_LOOK_FOUND;
      }
   }
   return any ? MTB_LOOK_DIFFERENT : MTB_LOOK_NOTHING;
}

#endif
