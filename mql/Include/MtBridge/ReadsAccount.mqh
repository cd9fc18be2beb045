//+------------------------------------------------------------------+
//| ReadsAccount.mqh: figures, positions, orders, history            |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_ACCOUNT_MQH
#define MTBRIDGE_READS_ACCOUNT_MQH

#include <MtBridge\ReadsSymbols.mqh>

/// GetAccount: one AccountInfo.
void ServeAccount(CPackWriter &body) {
   body.PutArray(28);
   body.PutUInt(Login());
   body.PutUInt((ulong)AccountInfoInteger(ACCOUNT_TRADE_MODE));
   body.PutUInt((ulong)AccountInfoInteger(ACCOUNT_LEVERAGE));
   body.PutUInt((ulong)AccountInfoInteger(ACCOUNT_LIMIT_ORDERS));
   body.PutUInt((ulong)AccountInfoInteger(ACCOUNT_MARGIN_SO_MODE));
   body.PutBool(AccountInfoInteger(ACCOUNT_TRADE_ALLOWED) != 0);
   body.PutBool(AccountInfoInteger(ACCOUNT_TRADE_EXPERT) != 0);
   body.PutUInt((ulong)MarginMode());
#ifdef __MQL4__
   body.PutUInt(2);
   body.PutBool(false);
#else
   body.PutUInt((ulong)AccountInfoInteger(ACCOUNT_CURRENCY_DIGITS));
   body.PutBool(AccountInfoInteger(ACCOUNT_FIFO_CLOSE) != 0);
#endif
   body.PutDouble(AccountInfoDouble(ACCOUNT_BALANCE));
   body.PutDouble(AccountInfoDouble(ACCOUNT_CREDIT));
   body.PutDouble(AccountInfoDouble(ACCOUNT_PROFIT));
   body.PutDouble(AccountInfoDouble(ACCOUNT_EQUITY));
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN));
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_FREE));
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_LEVEL));
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_SO_CALL));
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_SO_SO));
#ifdef __MQL4__
   // margin_initial, margin_maintenance, assets, liabilities, commission_blocked
   PutNothing(body, 5);
#else
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_INITIAL));
   body.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_MAINTENANCE));
   body.PutDouble(AccountInfoDouble(ACCOUNT_ASSETS));
   body.PutDouble(AccountInfoDouble(ACCOUNT_LIABILITIES));
   body.PutDouble(AccountInfoDouble(ACCOUNT_COMMISSION_BLOCKED));
#endif
   body.PutText(AccountInfoString(ACCOUNT_NAME));
   body.PutText(AccountServerName());
   body.PutText(AccountInfoString(ACCOUNT_CURRENCY));
   body.PutText(AccountInfoString(ACCOUNT_COMPANY));
}

/// GetPositions: rows of Position.
void ServePositions(CPackReader &in, CPackWriter &body) {
   string symbol = in.GetText();
   ulong ticket = in.GetUInt();
   MtbPosition rows[];
   int count = ListPositions(symbol, ticket, rows);
   body.PutArray(count);
   for(int i = 0; i < count; i++)
      PackPosition(body, rows[i]);
}

/// GetOrders: rows of Order, those that stand.
void ServeOrders(CPackReader &in, CPackWriter &body) {
   string symbol = in.GetText();
   ulong ticket = in.GetUInt();
   MtbOrder rows[];
   int count = ListOrders(symbol, ticket, rows);
   body.PutArray(count);
   for(int i = 0; i < count; i++)
      PackOrder(body, rows[i]);
}

/// An integer of a filter that an `int` holds; a larger one means no more than that.
int CappedInt(const ulong value, const int most) {
   return value > (ulong)most ? most : (int)value;
}

void ReadFilter(CPackReader &in, MtbHistoryFilter &filter) {
   filter.from = in.GetInt();
   filter.to = in.GetInt();
   filter.position = in.GetUInt();
   filter.ticket = in.GetUInt();
   filter.offset = CappedInt(in.GetUInt(), INT_MAX);
   filter.limit = CappedInt(in.GetUInt(), MTB_HISTORY_MAX);
}

/// The terminal did not give its history.
void FailHistory(MtbReply &reply, const int error) {
   Fail(reply, MTB_REPLY_ERROR, error, "the terminal does not give its history of trades");
}

/// GetDeals: rows of Deal, oldest first.
void ServeDeals(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   MtbHistoryFilter filter;
   ReadFilter(in, filter);
   MtbDeal rows[];
   ResetLastError();
   int count = ListDeals(filter, rows);
   if(count < 0) {
      FailHistory(reply, GetLastError());
      return;
   }
   body.PutArray(count);
   for(int i = 0; i < count; i++)
      PackDeal(body, rows[i]);
}

/// GetHistoryOrders: rows of Order, by the time at which they ended.
void ServeHistoryOrders(CPackReader &in, CPackWriter &body, MtbReply &reply) {
   MtbHistoryFilter filter;
   ReadFilter(in, filter);
   MtbOrder rows[];
   ResetLastError();
   int count = ListHistoryOrders(filter, rows);
   if(count < 0) {
      FailHistory(reply, GetLastError());
      return;
   }
   body.PutArray(count);
   for(int i = 0; i < count; i++)
      PackOrder(body, rows[i]);
}

#endif
