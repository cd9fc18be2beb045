//+------------------------------------------------------------------+
//| ReadsRows.mqh: positions, orders and deals as rows of the wire   |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_ROWS_MQH
#define MTBRIDGE_READS_ROWS_MQH

#include <MtBridge\Wire.mqh>

/// Position of the wire. Times are broker time, epoch seconds and (msc) milliseconds; amounts are in account currency.
struct MtbPosition {
   ulong ticket;
   long time;
   long time_msc;
   long time_update;
   long time_update_msc;
   int type;
   ulong magic;
   ulong identifier;
   int reason;
   double volume;
   double price_open;
   double sl;
   double tp;
   double price_current;
   double swap;
   double profit;
   string symbol;
   string comment;
   string external_id;
};

/// Order of the wire, open or of the history. Units as in MtbPosition.
struct MtbOrder {
   ulong ticket;
   long time_setup;
   long time_setup_msc;
   long time_done;
   long time_done_msc;
   long time_expiration;
   int type;
   int type_time;
   int type_filling;
   int state;
   ulong magic;
   ulong position_id;
   ulong position_by_id;
   int reason;
   double volume_initial;
   double volume_current;
   double price_open;
   double sl;
   double tp;
   double price_current;
   double price_stoplimit;
   string symbol;
   string comment;
   string external_id;
};

/// Deal of the wire. Units as in MtbPosition.
struct MtbDeal {
   ulong ticket;
   ulong order;
   long time;
   long time_msc;
   int type;
   int entry;
   ulong magic;
   ulong position_id;
   int reason;
   double volume;
   double price;
   double commission;
   double swap;
   double profit;
   double fee;
   string symbol;
   string comment;
   string external_id;
};

/// Which part of the history is asked for. Times are broker time, epoch seconds, both included; position and ticket 0 mean all.
struct MtbHistoryFilter {
   long from;
   long to;
   ulong position;
   ulong ticket;
   int offset;
   int limit;
};

// Numbers of MetaTrader 5, on MetaTrader 4 too.
#define MTB_REASON_CLIENT 0
#define MTB_REASON_EXPERT 3
#define MTB_REASON_SL 4
#define MTB_REASON_TP 5
#define MTB_REASON_SO 6
#define MTB_ENTRY_IN 0
#define MTB_ENTRY_OUT 1
#define MTB_ENTRY_OUT_BY 3
#define MTB_DEAL_BALANCE 2
#define MTB_DEAL_CREDIT 3
#define MTB_ORDER_PLACED 1
#define MTB_ORDER_CANCELED 2
#define MTB_ORDER_PARTIAL 3
#define MTB_ORDER_FILLED 4
#define MTB_ORDER_REJECTED 5
#define MTB_ORDER_EXPIRED 6

/// All fields 0 or empty.
void ClearPosition(MtbPosition &row) {
   row.ticket = 0;
   row.time = 0;
   row.time_msc = 0;
   row.time_update = 0;
   row.time_update_msc = 0;
   row.type = 0;
   row.magic = 0;
   row.identifier = 0;
   row.reason = 0;
   row.volume = 0.0;
   row.price_open = 0.0;
   row.sl = 0.0;
   row.tp = 0.0;
   row.price_current = 0.0;
   row.swap = 0.0;
   row.profit = 0.0;
   row.symbol = "";
   row.comment = "";
   row.external_id = "";
}

/// All fields 0 or empty.
void ClearOrder(MtbOrder &row) {
   row.ticket = 0;
   row.time_setup = 0;
   row.time_setup_msc = 0;
   row.time_done = 0;
   row.time_done_msc = 0;
   row.time_expiration = 0;
   row.type = 0;
   row.type_time = 0;
   row.type_filling = 0;
   row.state = 0;
   row.magic = 0;
   row.position_id = 0;
   row.position_by_id = 0;
   row.reason = 0;
   row.volume_initial = 0.0;
   row.volume_current = 0.0;
   row.price_open = 0.0;
   row.sl = 0.0;
   row.tp = 0.0;
   row.price_current = 0.0;
   row.price_stoplimit = 0.0;
   row.symbol = "";
   row.comment = "";
   row.external_id = "";
}

/// All fields 0 or empty.
void ClearDeal(MtbDeal &row) {
   row.ticket = 0;
   row.order = 0;
   row.time = 0;
   row.time_msc = 0;
   row.type = 0;
   row.entry = 0;
   row.magic = 0;
   row.position_id = 0;
   row.reason = 0;
   row.volume = 0.0;
   row.price = 0.0;
   row.commission = 0.0;
   row.swap = 0.0;
   row.profit = 0.0;
   row.fee = 0.0;
   row.symbol = "";
   row.comment = "";
   row.external_id = "";
}

void PackPosition(CPackWriter &writer, const MtbPosition &row) {
   writer.PutArray(19);
   writer.PutUInt(row.ticket);
   writer.PutInt(row.time);
   writer.PutInt(row.time_msc);
   writer.PutInt(row.time_update);
   writer.PutInt(row.time_update_msc);
   writer.PutUInt((ulong)row.type);
   writer.PutUInt(row.magic);
   writer.PutUInt(row.identifier);
   writer.PutUInt((ulong)row.reason);
   writer.PutDouble(row.volume);
   writer.PutDouble(row.price_open);
   writer.PutDouble(row.sl);
   writer.PutDouble(row.tp);
   writer.PutDouble(row.price_current);
   writer.PutDouble(row.swap);
   writer.PutDouble(row.profit);
   writer.PutText(row.symbol);
   writer.PutText(row.comment);
   writer.PutText(row.external_id);
}

void PackOrder(CPackWriter &writer, const MtbOrder &row) {
   writer.PutArray(24);
   writer.PutUInt(row.ticket);
   writer.PutInt(row.time_setup);
   writer.PutInt(row.time_setup_msc);
   writer.PutInt(row.time_done);
   writer.PutInt(row.time_done_msc);
   writer.PutInt(row.time_expiration);
   writer.PutUInt((ulong)row.type);
   writer.PutUInt((ulong)row.type_time);
   writer.PutUInt((ulong)row.type_filling);
   writer.PutUInt((ulong)row.state);
   writer.PutUInt(row.magic);
   writer.PutUInt(row.position_id);
   writer.PutUInt(row.position_by_id);
   writer.PutUInt((ulong)row.reason);
   writer.PutDouble(row.volume_initial);
   writer.PutDouble(row.volume_current);
   writer.PutDouble(row.price_open);
   writer.PutDouble(row.sl);
   writer.PutDouble(row.tp);
   writer.PutDouble(row.price_current);
   writer.PutDouble(row.price_stoplimit);
   writer.PutText(row.symbol);
   writer.PutText(row.comment);
   writer.PutText(row.external_id);
}

void PackDeal(CPackWriter &writer, const MtbDeal &row) {
   writer.PutArray(18);
   writer.PutUInt(row.ticket);
   writer.PutUInt(row.order);
   writer.PutInt(row.time);
   writer.PutInt(row.time_msc);
   writer.PutUInt((ulong)row.type);
   writer.PutUInt((ulong)row.entry);
   writer.PutUInt(row.magic);
   writer.PutUInt(row.position_id);
   writer.PutUInt((ulong)row.reason);
   writer.PutDouble(row.volume);
   writer.PutDouble(row.price);
   writer.PutDouble(row.commission);
   writer.PutDouble(row.swap);
   writer.PutDouble(row.profit);
   writer.PutDouble(row.fee);
   writer.PutText(row.symbol);
   writer.PutText(row.comment);
   writer.PutText(row.external_id);
}

/// Volumes as whole numbers of 1e-8 lots: sums of fractions compare exactly.
long MtbUnits(const double lots) {
   return (long)MathRound(lots * 100000000.0);
}

/// Whether entry `a` comes after entry `b`: by time, then by ticket.
bool MtbIsLater(const long &times[], const ulong &tickets[], const int a, const int b) {
   if(times[a] != times[b])
      return times[a] > times[b];
   return tickets[a] > tickets[b];
}

/// Sorts `order`, which numbers the entries of `times` (and `tickets`), so that the oldest comes first. Shell's method: the input
/// is nearly sorted, and no function of the platforms sorts two arrays together.
void MtbSortByTime(const long &times[], const ulong &tickets[], int &order[], const int count) {
   for(int gap = count / 2; gap > 0; gap /= 2)
      for(int i = gap; i < count; i++) {
         int moved = order[i];
         int at = i;
         while(at >= gap && MtbIsLater(times, tickets, order[at - gap], moved)) {
            order[at] = order[at - gap];
            at -= gap;
         }
         order[at] = moved;
      }
}

#endif
