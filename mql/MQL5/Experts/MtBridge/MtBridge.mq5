//+------------------------------------------------------------------+
//| MtBridge.mq5: connects this terminal to an mtbridge hub          |
//+------------------------------------------------------------------+
#property copyright "mtbridge"
#property version "1.10"
#property description "Connects this terminal to an mtbridge hub: bots trade and read through it."
#property description "1. Allow the hub's address: Tools > Options > Expert Advisors > Allow WebRequest for listed URL."
#property description "2. Inputs: API_TOKEN from the hub, BackendURL (wss://hub.example)."
#property description "3. Press Algo Trading. One chart of one terminal is enough."
#property description "The panel on the chart says what is wrong and what to click."

#include <MtBridge\Main.mqh>

/// Results of orders that were sent, and changes of the account.
void OnTradeTransaction(const MqlTradeTransaction &transaction, const MqlTradeRequest &request, const MqlTradeResult &result) {
   OnTransaction(g_session, transaction, request, result);
   // The outcome leaves now, and not with the next timer.
   if(transaction.type == TRADE_TRANSACTION_REQUEST)
      OnTimer();
}
