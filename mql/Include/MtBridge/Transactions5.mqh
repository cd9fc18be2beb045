//+------------------------------------------------------------------+
//| Transactions5.mqh: changes as OnTradeTransaction tells them      |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_TRANSACTIONS5_MQH
#define MTBRIDGE_TRANSACTIONS5_MQH

#include <MtBridge\Transactions.mqh>

/// To be called in OnInit.
void TransactionsReset() {
   g_transaction_seq = 0;
}

/// Nothing is left for the turn: changes are told when they are heard of.
void TransactionsTurn(CSession &session) {
}

/// The wire's kind of a change; -1 for what is not told.
int TransactionKind(const ENUM_TRADE_TRANSACTION_TYPE type) {
   switch(type) {
      case TRADE_TRANSACTION_ORDER_ADD:
         return MTB_TRANSACTION_ORDER_ADD;
      case TRADE_TRANSACTION_ORDER_UPDATE:
         return MTB_TRANSACTION_ORDER_UPDATE;
      case TRADE_TRANSACTION_ORDER_DELETE:
         return MTB_TRANSACTION_ORDER_DELETE;
      case TRADE_TRANSACTION_HISTORY_ADD:
         return MTB_TRANSACTION_HISTORY_ADD;
      case TRADE_TRANSACTION_HISTORY_UPDATE:
         return MTB_TRANSACTION_HISTORY_UPDATE;
      case TRADE_TRANSACTION_HISTORY_DELETE:
         return MTB_TRANSACTION_HISTORY_DELETE;
      case TRADE_TRANSACTION_DEAL_ADD:
         return MTB_TRANSACTION_DEAL_ADD;
      case TRADE_TRANSACTION_DEAL_UPDATE:
         return MTB_TRANSACTION_DEAL_UPDATE;
      case TRADE_TRANSACTION_DEAL_DELETE:
         return MTB_TRANSACTION_DEAL_DELETE;
      case TRADE_TRANSACTION_POSITION:
         return MTB_TRANSACTION_POSITION;
      default:
         return -1;
   }
}

/// The order as it is now, or, where the terminal does not have it any more, as the change tells of it.
void OrderOf(const MqlTradeTransaction &change, MtbOrder &row) {
   ClearOrder(row);
   if(OrderSelect(change.order)) {
      ReadOrder(row);
      return;
   }
   if(HistoryOrderSelect(change.order)) {
      ReadHistoryOrder(change.order, row);
      return;
   }
   row.ticket = change.order;
   row.time_expiration = (long)change.time_expiration;
   row.type = (int)change.order_type;
   row.type_time = (int)change.time_type;
   row.state = (int)change.order_state;
   row.position_id = change.position;
   row.position_by_id = change.position_by;
   row.volume_current = change.volume;
   row.price_open = change.price;
   row.price_stoplimit = change.price_trigger;
   row.sl = change.price_sl;
   row.tp = change.price_tp;
   row.symbol = change.symbol;
}

/// The deal, as OrderOf.
void DealOf(const MqlTradeTransaction &change, MtbDeal &row) {
   ClearDeal(row);
   if(HistoryDealSelect(change.deal)) {
      ReadDeal(change.deal, row);
      return;
   }
   row.ticket = change.deal;
   row.order = change.order;
   row.time = BrokerTime();
   row.time_msc = row.time * 1000;
   row.type = (int)change.deal_type;
   row.position_id = change.position;
   row.volume = change.volume;
   row.price = change.price;
   row.symbol = change.symbol;
}

/// The position as it is now; volume 0 when it is gone.
void PositionOf(const MqlTradeTransaction &change, MtbPosition &row) {
   ClearPosition(row);
   if(PositionSelectByTicket(change.position)) {
      ReadPosition(row);
      return;
   }
   row.ticket = change.position;
   row.identifier = change.position;
   row.type = (int)change.deal_type;
   row.symbol = change.symbol;
}

/// To be called in OnTradeTransaction with what it was given. The rows are read at once, because they change.
void OnTransaction(CSession &session, const MqlTradeTransaction &change, const MqlTradeRequest &request,
                   const MqlTradeResult &result) {
   if(change.type == TRADE_TRANSACTION_REQUEST) {
      ExecuteAnswered(request, result);
      return;
   }
   int kind = TransactionKind(change.type);
   if(kind < 0)
      return;
   if(kind == MTB_TRANSACTION_POSITION) {
      MtbPosition position;
      PositionOf(change, position);
      TellPosition(session, position);
   }
   else if(kind >= MTB_TRANSACTION_DEAL_ADD) {
      MtbDeal deal;
      DealOf(change, deal);
      TellDeal(session, kind, deal);
   }
   else {
      MtbOrder order;
      OrderOf(change, order);
      TellOrder(session, kind, order);
   }
}

#endif
