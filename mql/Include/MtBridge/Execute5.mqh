//+------------------------------------------------------------------+
//| Execute5.mqh: OrderSendAsync, and its result by OnTradeTransaction|
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_EXECUTE5_MQH
#define MTBRIDGE_EXECUTE5_MQH

#include <MtBridge\Platform.mqh>
#include <MtBridge\Evidence.mqh>

/// So many requests may wait for their results.
#define MTB_EXECUTIONS 32
/// Results of requests that nobody waits for (yet): one may come before OrderSendAsync has returned its number.
#define MTB_EARLY_RESULTS 64
/// A result that has not come in this time is not waited for any longer: the lease of 60 s, less what the answer needs.
#define MTB_EXECUTE_MAX_US 55000000

/// A request that was sent.
struct MtbExecution {
   /// 0: free.
   int handle;
   /// Number of the request in this session of the terminal.
   uint request_id;
   MtbRequest request;
   ulong sent_us;
   /// Broker time when it was sent, epoch seconds.
   long sent_at;
   bool ended;
   MtbResult result;
};

/// A result, and enough of its request to know it by.
struct MtbEarly {
   int action;
   ulong magic;
   string symbol;
   string comment;
   MtbResult result;
};

MtbExecution g_executions[MTB_EXECUTIONS];
int g_last_handle = 0;
MtbEarly g_early[MTB_EARLY_RESULTS];
int g_early_next = 0;

/// To be called in OnInit: nobody waits any more for what was sent before.
void ExecuteReset() {
   for(int i = 0; i < MTB_EXECUTIONS; i++)
      g_executions[i].handle = 0;
   for(int i = 0; i < MTB_EARLY_RESULTS; i++)
      g_early[i].result.request_id = 0;
}

/// The request in MetaTrader's own structure, unchanged.
void ToMqlRequest(const MtbRequest &request, MqlTradeRequest &wanted) {
   ZeroMemory(wanted);
   wanted.action = (ENUM_TRADE_REQUEST_ACTIONS)request.action;
   wanted.magic = request.magic;
   wanted.order = request.order;
   wanted.symbol = request.symbol;
   wanted.volume = request.volume;
   wanted.price = request.price;
   wanted.stoplimit = request.stoplimit;
   wanted.sl = request.sl;
   wanted.tp = request.tp;
   wanted.deviation = request.deviation;
   wanted.type = (ENUM_ORDER_TYPE)request.type;
   wanted.type_filling = (ENUM_ORDER_TYPE_FILLING)request.type_filling;
   wanted.type_time = (ENUM_ORDER_TYPE_TIME)request.type_time;
   wanted.expiration = (datetime)request.expiration;
   wanted.comment = request.comment;
   wanted.position = request.position;
   wanted.position_by = request.position_by;
}

/// MetaTrader's result in ours.
void FromMqlResult(const MqlTradeResult &told, MtbResult &result) {
   result.retcode = told.retcode;
   result.deal = told.deal;
   result.order = told.order;
   result.volume = told.volume;
   result.price = told.price;
   result.bid = told.bid;
   result.ask = told.ask;
   result.comment = told.comment;
   result.request_id = told.request_id;
   result.retcode_external = (int)told.retcode_external;
}

/// Whether anything may be sent now. This platform queues by itself.
bool ExecuteReady(string &reason) {
   reason = "";
   return true;
}

/// A free place; -1 if there is none.
int FreeExecution() {
   for(int i = 0; i < MTB_EXECUTIONS; i++)
      if(g_executions[i].handle == 0)
         return i;
   return -1;
}

/// The retcode of a request that the terminal did not even send, if it names none itself. What is not known proves nothing.
uint RetcodeOfError(const int error) {
   // ERR_TRADE_DISABLED
   return error == 4752 ? (uint)10027 : (uint)MTB_RETCODE_ERROR;
}

/// Sends the request, once. 0: `result` is the answer. Above 0: a handle to ask ExecutePoll for it.
int ExecuteStart(const MtbRequest &request, MtbResult &result) {
   ClearResult(result);
   int at = FreeExecution();
   if(at < 0) {
      result.retcode = MTB_RETCODE_REJECT;
      result.comment = "too many requests wait for the broker; nothing was sent";
      return 0;
   }
   // The terminal trades only what stands in Market Watch.
   if(request.symbol != "" && SymbolInfoInteger(request.symbol, SYMBOL_SELECT) == 0)
      SymbolSelect(request.symbol, true);
   MqlTradeRequest wanted;
   MqlTradeResult told;
   ToMqlRequest(request, wanted);
   ZeroMemory(told);
   long sent_at = BrokerTime();
   ResetLastError();
   bool sent = OrderSendAsync(wanted, told);
   if(!sent) {
      int error = GetLastError();
      FromMqlResult(told, result);
      if(result.retcode == 0)
         result.retcode = RetcodeOfError(error);
      if(result.comment == "")
         result.comment = "not sent: error " + IntegerToString(error);
      return 0;
   }
   if(TakeEarly(request, told.request_id, result))
      return 0;
   g_last_handle = g_last_handle < INT_MAX ? g_last_handle + 1 : 1;
   g_executions[at].handle = g_last_handle;
   g_executions[at].request_id = told.request_id;
   g_executions[at].request = request;
   g_executions[at].sent_us = GetMicrosecondCount();
   g_executions[at].sent_at = sent_at;
   g_executions[at].ended = false;
   return g_last_handle;
}

/// Whether an answer to `action`, `magic`, ... can be that to a request: numbers of requests begin anew with each start of the terminal.
/// What the terminal leaves out is not compared.
bool IsAnswerTo(const MtbRequest &request, const int action, const ulong magic, const string symbol, const string comment) {
   if(action != request.action || magic != request.magic)
      return false;
   if(symbol != "" && request.symbol != "" && symbol != request.symbol)
      return false;
   return comment == "" || comment == request.comment;
}

/// The result of a request that came before OrderSendAsync returned; false if it did not.
bool TakeEarly(const MtbRequest &request, const uint request_id, MtbResult &result) {
   for(int i = 0; i < MTB_EARLY_RESULTS; i++) {
      if(request_id == 0 || g_early[i].result.request_id != request_id ||
         !IsAnswerTo(request, g_early[i].action, g_early[i].magic, g_early[i].symbol, g_early[i].comment))
         continue;
      result = g_early[i].result;
      g_early[i].result.request_id = 0;
      return true;
   }
   return false;
}

/// A request was answered: TRADE_TRANSACTION_REQUEST. Others of this terminal are told of too, and one may be told twice.
void ExecuteAnswered(const MqlTradeRequest &asked, const MqlTradeResult &told) {
   if(told.request_id == 0)
      return;
   for(int i = 0; i < MTB_EXECUTIONS; i++) {
      if(g_executions[i].handle == 0 || g_executions[i].request_id != told.request_id ||
         !IsAnswerTo(g_executions[i].request, (int)asked.action, asked.magic, asked.symbol, asked.comment))
         continue;
      if(!g_executions[i].ended)
         FromMqlResult(told, g_executions[i].result);
      g_executions[i].ended = true;
      return;
   }
   g_early[g_early_next].action = (int)asked.action;
   g_early[g_early_next].magic = asked.magic;
   g_early[g_early_next].symbol = asked.symbol;
   g_early[g_early_next].comment = asked.comment;
   FromMqlResult(told, g_early[g_early_next].result);
   g_early_next = (g_early_next + 1) % MTB_EARLY_RESULTS;
}

/// Looks in the history for a request whose result never came. What is there in full was executed; anything else stays open.
void LookForLost(const MtbExecution &execution, MtbResult &result) {
   MtbResult found;
   int proof = 0;
   string reason = "";
   ulong tag = TagSequence(execution.request.magic) >= 0 ? execution.request.magic : TagOfComment(execution.request.comment);
   int kind = FindEvidence(tag, execution.request, execution.sent_at, found, proof, reason);
   if(kind == MTB_ANSWER_EVIDENCE && found.retcode == MTB_RETCODE_DONE) {
      result = found;
      return;
   }
   result.retcode = MTB_RETCODE_TIMEOUT;
   result.comment = "the trade server has not answered in time";
   result.request_id = execution.request_id;
}

/// True, once, when the result of a handle is there. It is never sent again, whatever comes of it.
bool ExecutePoll(const int handle, MtbResult &result) {
   ClearResult(result);
   for(int i = 0; i < MTB_EXECUTIONS; i++) {
      if(handle == 0 || g_executions[i].handle != handle)
         continue;
      if(g_executions[i].ended)
         result = g_executions[i].result;
      else if(GetMicrosecondCount() - g_executions[i].sent_us > (ulong)MTB_EXECUTE_MAX_US)
         LookForLost(g_executions[i], result);
      else
         return false;
      g_executions[i].handle = 0;
      return true;
   }
   // Not one of ours: it must not be waited for for ever.
   result.retcode = MTB_RETCODE_TIMEOUT;
   result.comment = "nothing is known of this request any more";
   return true;
}

#endif
