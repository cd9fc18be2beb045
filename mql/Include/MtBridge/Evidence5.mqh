//+------------------------------------------------------------------+
//| Evidence5.mqh: marks in the deals and orders of MetaTrader 5     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_EVIDENCE5_MQH
#define MTBRIDGE_EVIDENCE5_MQH

#include <MtBridge\Platform.mqh>

/// Selects the history that may hold it.
bool SelectSince(const long since) {
   return HistorySelect(HistoryTime(since), (datetime)MTB_TIME_MAX);
}

/// The history of MetaTrader 5 is the server's: it has no edge.
bool HistoryCovers(const long dispatched) {
   return SelectSince(dispatched);
}

/// Whether a pending order still stands.
bool IsOrderOpen(const ulong ticket) {
   return ticket != 0 && OrderSelect(ticket);
}

/// Whether a deal of the selected history bears the mark. The cheap properties are read first: there may be many deals.
bool IsMarkedDeal(const MtbCase &look, const ulong ticket) {
   if(ticket == 0 || (ulong)HistoryDealGetInteger(ticket, DEAL_MAGIC) != look.magic)
      return false;
   return IsMarked(look, (long)HistoryDealGetInteger(ticket, DEAL_TIME), (int)HistoryDealGetInteger(ticket, DEAL_REASON),
                   look.magic, HistoryDealGetString(ticket, DEAL_COMMENT));
}

/// Whether a deal is of the symbol and side, and on a hedging account of the position. A netting account has one position a
/// symbol, and its ticket changes when it turns round.
bool IsAlike(const MtbCase &look, const MtbDeal &deal) {
   bool of_position =
      look.request.position == 0 || MarginMode() != MTB_MARGIN_HEDGING || deal.position_id == look.request.position;
   return deal.symbol == look.request.symbol && deal.type == (look.request.type & 1) && of_position;
}

/// Whether a deal of the selected history may be the one although it has lost its mark.
bool IsDoubtfulDeal(const MtbCase &look, const ulong ticket) {
   if(ticket == 0)
      return false;
   if(!IsUnmarked(look, (long)HistoryDealGetInteger(ticket, DEAL_TIME), (int)HistoryDealGetInteger(ticket, DEAL_REASON),
                  (ulong)HistoryDealGetInteger(ticket, DEAL_MAGIC), HistoryDealGetString(ticket, DEAL_COMMENT)))
      return false;
   if(look.request.action == MTB_ACTION_CLOSE_BY) {
      ulong position = (ulong)HistoryDealGetInteger(ticket, DEAL_POSITION_ID);
      return position == look.request.position || position == look.request.position_by;
   }
   return HistoryDealGetString(ticket, DEAL_SYMBOL) == look.request.symbol &&
          HistoryDealGetInteger(ticket, DEAL_TYPE) == (long)(look.request.type & 1);
}

/// Whether an order bears the mark, or may be the one although it has lost it.
bool IsSuspect(const MtbCase &look, const MtbOrder &order) {
   if(IsMarked(look, order.time_setup, order.reason, order.magic, order.comment))
      return true;
   if(!IsUnmarked(look, order.time_setup, order.reason, order.magic, order.comment))
      return false;
   if(look.request.action == MTB_ACTION_CLOSE_BY)
      return order.position_id == look.request.position || order.position_id == look.request.position_by;
   return order.symbol == look.request.symbol && (order.type & 1) == (look.request.type & 1);
}

/// Whether any order is suspect, standing or in the selected history: its deals may only not be there yet.
bool AnySuspect(const MtbCase &look) {
   MtbOrder order;
   int open = OrdersTotal();
   for(int i = 0; i < open; i++) {
      if(OrderGetTicket(i) == 0)
         continue;
      ReadOrder(order);
      if(IsSuspect(look, order))
         return true;
   }
   int done = HistoryOrdersTotal();
   for(int i = 0; i < done; i++) {
      ulong ticket = HistoryOrderGetTicket(i);
      if(ticket == 0)
         continue;
      ReadHistoryOrder(ticket, order);
      if(IsSuspect(look, order))
         return true;
   }
   return false;
}

/// Whether an order has ended with deals of so much together, units of 1e-8 lots: it stands no more, and the selected history has it.
bool IsEndedWith(const ulong ticket, const long volume) {
   long state = 0;
   if(OrderSelect(ticket) || !HistoryOrderGetInteger(ticket, ORDER_STATE, state))
      return false;
   if(state < MTB_ORDER_CANCELED || state > MTB_ORDER_EXPIRED)
      return false;
   double filled = HistoryOrderGetDouble(ticket, ORDER_VOLUME_INITIAL) - HistoryOrderGetDouble(ticket, ORDER_VOLUME_CURRENT);
   return MtbUnits(filled) == volume;
}

/// Deals that bear the mark, by their order: one may be filled by several deals, and in part.
int LookFilled(const MtbCase &look, MtbResult &result) {
   if(!SelectSince(look.since))
      return MTB_LOOK_BLIND;
   MtbFills all[];
   MtbDeal deal;
   bool doubtful = false;
   int total = HistoryDealsTotal();
   for(int i = 0; i < total; i++) {
      ulong ticket = HistoryDealGetTicket(i);
      if(!IsMarkedDeal(look, ticket)) {
         doubtful = doubtful || IsDoubtfulDeal(look, ticket);
         continue;
      }
      ReadDeal(ticket, deal);
      AddFill(all, deal.order, deal.ticket, deal.volume, deal.price, IsAlike(look, deal));
   }
   for(int i = 0; i < ArraySize(all); i++)
      all[i].ended = IsEndedWith(all[i].order, all[i].volume);
   int found = JudgeFills(look, all, result);
   return found == MTB_LOOK_NOTHING && (doubtful || AnySuspect(look)) ? MTB_LOOK_DIFFERENT : found;
}

/// A pending order that stands, or has stood.
int LookPlaced(const MtbCase &look, MtbResult &result) {
   bool any = false;
   MtbOrder order;
   int open = OrdersTotal();
   for(int i = 0; i < open; i++) {
      if(OrderGetTicket(i) == 0 || (ulong)OrderGetInteger(ORDER_MAGIC) != look.magic)
         continue;
      ReadOrder(order);
      if(!IsSuspect(look, order))
         continue;
      any = true;
      if(IsMarked(look, order.time_setup, order.reason, order.magic, order.comment) && IsPlaced(look, order)) {
         TellPlaced(order, result);
         return MTB_LOOK_FOUND;
      }
   }
   if(!SelectSince(look.since))
      return any ? MTB_LOOK_DIFFERENT : MTB_LOOK_BLIND;
   int done = HistoryOrdersTotal();
   for(int i = 0; i < done; i++) {
      ulong ticket = HistoryOrderGetTicket(i);
      if(ticket == 0 || (ulong)HistoryOrderGetInteger(ticket, ORDER_MAGIC) != look.magic)
         continue;
      ReadHistoryOrder(ticket, order);
      if(!IsSuspect(look, order))
         continue;
      any = true;
      if(IsMarked(look, order.time_setup, order.reason, order.magic, order.comment) && IsPlaced(look, order)) {
         TellPlaced(order, result);
         return MTB_LOOK_FOUND;
      }
   }
   return any ? MTB_LOOK_DIFFERENT : MTB_LOOK_NOTHING;
}

/// The deal that closed the position by its opposite.
int LookClosedBy(const MtbCase &look, MtbResult &result) {
   if(!SelectSince(look.since))
      return MTB_LOOK_BLIND;
   bool any = false;
   MtbDeal deal;
   int total = HistoryDealsTotal();
   for(int i = 0; i < total; i++) {
      ulong ticket = HistoryDealGetTicket(i);
      if(!IsMarkedDeal(look, ticket)) {
         any = any || IsDoubtfulDeal(look, ticket);
         continue;
      }
      any = true;
      ReadDeal(ticket, deal);
      if(deal.entry != MTB_ENTRY_OUT_BY || deal.position_id != look.request.position)
         continue;
      MtbFills all[];
      AddFill(all, deal.order, deal.ticket, deal.volume, deal.price, true);
      TellFills(all[0], MTB_RETCODE_DONE, result);
      return MTB_LOOK_FOUND;
   }
   return any || AnySuspect(look) ? MTB_LOOK_DIFFERENT : MTB_LOOK_NOTHING;
}

/// Whether both positions of a closing by each other are there, and nothing was taken off either since shortly before the dispatch.
bool IsPairUntouched(const MtbRequest &request, const long dispatched) {
   if(!PositionSelectByTicket(request.position) || !PositionSelectByTicket(request.position_by))
      return false;
   if(!SelectSince(dispatched - MTB_CLOCK_SLACK_S))
      return false;
   int total = HistoryDealsTotal();
   for(int i = 0; i < total; i++) {
      ulong ticket = HistoryDealGetTicket(i);
      ulong position = (ulong)HistoryDealGetInteger(ticket, DEAL_POSITION_ID);
      bool of_pair = position == request.position || position == request.position_by;
      if(of_pair && HistoryDealGetInteger(ticket, DEAL_ENTRY) != (long)MTB_ENTRY_IN)
         return false;
   }
   return true;
}

#endif
