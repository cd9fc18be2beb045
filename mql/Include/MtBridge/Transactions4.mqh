//+------------------------------------------------------------------+
//| Transactions4.mqh: changes found by comparing the lists of orders|
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_TRANSACTIONS4_MQH
#define MTBRIDGE_TRANSACTIONS4_MQH

#include <MtBridge\Transactions.mqh>

/// The lists are compared at once when their lengths or the balance change, and else so often.
#define MTB_COMPARE_US 100000
/// `ORDER_STATE_FILLED`.
#define MTB_ORDER_FILLED 4

/// What is remembered of an open order.
struct MtbKnownOrder {
   int ticket;
   int type;
   double lots;
   double price;
   double sl;
   double tp;
   long expiration;
};

MtbKnownOrder g_known[];
int g_known_count = 0;
/// The highest ticket ever seen: what has a higher one is new.
int g_highest_ticket = 0;
int g_history_count = -1;
double g_known_balance = 0.0;
ulong g_compared_us = 0;
bool g_compared = false;

/// To be called in OnInit.
void TransactionsReset() {
   g_transaction_seq = 0;
   g_known_count = 0;
   g_highest_ticket = 0;
   g_history_count = -1;
   g_compared = false;
   g_history_blind = false;
}

/// What is remembered of the selected order.
void Remember(MtbKnownOrder &known) {
   known.ticket = OrderTicket();
   known.type = OrderType();
   known.lots = OrderLots();
   known.price = OrderOpenPrice();
   known.sl = OrderStopLoss();
   known.tp = OrderTakeProfit();
   known.expiration = (long)OrderExpiration();
}

/// All open orders. Returns how many.
int ListKnown(MtbKnownOrder &now[]) {
   int total = OrdersTotal();
   int count = 0;
   ArrayResize(now, total);
   for(int i = 0; i < total; i++)
      if(OrderSelect(i, SELECT_BY_POS, MODE_TRADES))
         Remember(now[count++]);
   return count;
}

/// Where an order is in a list; -1 if it is not there. The lists change little, so the search begins at `guess`.
int KnownAt(const MtbKnownOrder &list[], const int count, const int ticket, const int guess) {
   for(int i = 0; i < count; i++) {
      int at = (guess + i) % count;
      if(list[at].ticket == ticket)
         return at;
   }
   return -1;
}

/// The selected pending order.
void TellSelectedOrder(CSession &session, const int kind) {
   MtbOrder row;
   ReadOrder(row);
   TellOrder(session, kind, row);
}

/// The deal that opened the selected order.
void TellOpening(CSession &session, const int kind) {
   MtbDeal row;
   ReadOpening(row);
   TellDeal(session, kind, row);
}

/// The deal that closed the selected order.
void TellClosing(CSession &session) {
   MtbDeal row;
   ReadClosing(row);
   TellDeal(session, MTB_TRANSACTION_DEAL_ADD, row);
}

/// A pending order has become a position, and keeps its ticket.
void TellTriggered(CSession &session, const MtbKnownOrder &old) {
   MtbOrder row;
   ReadOrder(row);
   row.type = old.type;
   row.price_open = old.price;
   row.time_done = row.time_setup;
   row.time_done_msc = row.time_setup_msc;
   row.state = MTB_ORDER_FILLED;
   row.volume_current = 0.0;
   row.position_id = row.ticket;
   TellOrder(session, MTB_TRANSACTION_ORDER_DELETE, row);
   TellOrder(session, MTB_TRANSACTION_HISTORY_ADD, row);
   TellOpening(session, MTB_TRANSACTION_DEAL_ADD);
}

/// An open order that was known before.
void TellChanged(CSession &session, const MtbKnownOrder &old, const MtbKnownOrder &now) {
   bool lots = MtbUnits(old.lots) != MtbUnits(now.lots);
   bool stops = old.sl != now.sl || old.tp != now.tp;
   bool terms = old.price != now.price || old.expiration != now.expiration;
   if(old.type == now.type && !lots && !stops && !terms)
      return;
   if(!OrderSelect(now.ticket, SELECT_BY_TICKET))
      return;
   if(IsPendingType(now.type)) {
      TellSelectedOrder(session, MTB_TRANSACTION_ORDER_UPDATE);
      return;
   }
   if(IsPendingType(old.type)) {
      TellTriggered(session, old);
      return;
   }
   if(lots)
      TellOpening(session, MTB_TRANSACTION_DEAL_UPDATE);
   if(stops) {
      MtbPosition row;
      ReadPosition(row);
      TellPosition(session, row);
   }
}

/// An order that is not open any more.
void TellGone(CSession &session, const MtbKnownOrder &old) {
   if(!OrderSelect(old.ticket, SELECT_BY_TICKET) || OrderCloseTime() == 0) {
      // It ended just now, and the tab does not show even that: nothing can be proved by what is not in there.
      g_history_blind = true;
      g_transaction_seq++;
      return;
   }
   if(IsPendingType(OrderType())) {
      TellSelectedOrder(session, MTB_TRANSACTION_ORDER_DELETE);
      TellSelectedOrder(session, MTB_TRANSACTION_HISTORY_ADD);
      return;
   }
   if(IsPendingType(old.type))
      TellTriggered(session, old);
   else if(MtbUnits(OrderLots()) != MtbUnits(old.lots))
      TellOpening(session, MTB_TRANSACTION_DEAL_UPDATE);
   TellClosing(session);
}

/// Orders of the history that were never seen open, and deposits: by tickets above all that are known.
int TellUnseen(CSession &session, const bool silent) {
   int highest = g_highest_ticket;
   int total = OrdersHistoryTotal();
   for(int i = 0; i < total; i++) {
      if(!OrderSelect(i, SELECT_BY_POS, MODE_HISTORY))
         continue;
      int ticket = OrderTicket();
      if(ticket <= g_highest_ticket)
         continue;
      if(ticket > highest)
         highest = ticket;
      // An order that was known has been told of as gone.
      if(silent || KnownAt(g_known, g_known_count, ticket, 0) >= 0)
         continue;
      if(IsPendingType(OrderType())) {
         TellSelectedOrder(session, MTB_TRANSACTION_HISTORY_ADD);
         continue;
      }
      TellOpening(session, MTB_TRANSACTION_DEAL_ADD);
      if(IsMarketType(OrderType()))
         TellClosing(session);
   }
   return highest;
}

/// Compares the lists with those of the last time. The first time there is nothing to compare them with.
void CompareOrders(CSession &session) {
   MtbKnownOrder now[];
   int count = ListKnown(now);
   int history = OrdersHistoryTotal();
   for(int i = 0; g_compared && i < g_known_count; i++)
      if(KnownAt(now, count, g_known[i].ticket, i) < 0)
         TellGone(session, g_known[i]);
   int highest = g_highest_ticket;
   if(history != g_history_count)
      highest = TellUnseen(session, !g_compared);
   for(int i = 0; i < count; i++) {
      int old = KnownAt(g_known, g_known_count, now[i].ticket, i);
      if(now[i].ticket > highest)
         highest = now[i].ticket;
      if(!g_compared)
         continue;
      if(old >= 0)
         TellChanged(session, g_known[old], now[i]);
      else if(OrderSelect(now[i].ticket, SELECT_BY_TICKET)) {
         if(IsPendingType(now[i].type))
            TellSelectedOrder(session, MTB_TRANSACTION_ORDER_ADD);
         else
            TellOpening(session, MTB_TRANSACTION_DEAL_ADD);
      }
   }
   ArrayResize(g_known, count);
   for(int i = 0; i < count; i++)
      g_known[i] = now[i];
   g_known_count = count;
   g_highest_ticket = highest;
   g_history_count = history;
   g_compared = true;
}

/// To be called at the end of each turn.
void TransactionsTurn(CSession &session) {
   ClockTurn();
   // Without a link, and while the terminal logs in, the lists are not the account's.
   if(!BrokerConnected())
      return;
   double balance = AccountInfoDouble(ACCOUNT_BALANCE);
   ulong now = GetMicrosecondCount();
   bool same = g_compared && OrdersTotal() == g_known_count && OrdersHistoryTotal() == g_history_count &&
               balance == g_known_balance;
   if(same && now - g_compared_us < (ulong)MTB_COMPARE_US)
      return;
   g_known_balance = balance;
   g_compared_us = now;
   CompareOrders(session);
}

#endif
