//+------------------------------------------------------------------+
//| Transactions.mqh: tells the hub what changes in the account      |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_TRANSACTIONS_MQH
#define MTBRIDGE_TRANSACTIONS_MQH

#include <MtBridge\Session.mqh>

/// Counts the changes of this instance, whether or not a session stands: a gap makes the hub look.
ulong g_transaction_seq = 0;

/// Begins the message of a change. Order, deal and position, or nil, must follow.
void BeginTransaction(CPackWriter &writer, const int kind) {
   g_transaction_seq++;
   Begin(writer, MTB_TRANSACTION, 6);
   writer.PutUInt(g_transaction_seq);
   writer.PutUInt((ulong)kind);
   writer.PutInt(BrokerTime());
}

/// Sends it, or drops it where no session stands, and has a Status sent behind it.
void EndTransaction(CSession &session, const CPackWriter &writer) {
   session.SendMessage(writer);
   session.StatusWanted();
}

void TellOrder(CSession &session, const int kind, const MtbOrder &row) {
   CPackWriter writer;
   BeginTransaction(writer, kind);
   PackOrder(writer, row);
   writer.PutNil();
   writer.PutNil();
   EndTransaction(session, writer);
}

void TellDeal(CSession &session, const int kind, const MtbDeal &row) {
   CPackWriter writer;
   BeginTransaction(writer, kind);
   writer.PutNil();
   PackDeal(writer, row);
   writer.PutNil();
   EndTransaction(session, writer);
}

void TellPosition(CSession &session, const MtbPosition &row) {
   CPackWriter writer;
   BeginTransaction(writer, MTB_TRANSACTION_POSITION);
   writer.PutNil();
   writer.PutNil();
   PackPosition(writer, row);
   EndTransaction(session, writer);
}

#ifdef __MQL4__
#include <MtBridge\Transactions4.mqh>
#else
#include <MtBridge\Transactions5.mqh>
#endif

#endif
