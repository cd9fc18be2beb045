//+------------------------------------------------------------------+
//| Wire.mqh: names of mtbridge.v1 (docs/terminal-protocol.md)       |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_WIRE_MQH
#define MTBRIDGE_WIRE_MQH

#include <MtBridge\MsgPack.mqh>

#define MTB_PROTOCOL 1
#define MTB_SUBPROTOCOL "mtbridge.v1"
#define MTB_PATH "/ws/terminal"
#define MTB_EA_VERSION "1.1.0"

// Tags of messages from the terminal.
#define MTB_HELLO 1
#define MTB_STATUS 2
#define MTB_REPLY 3
#define MTB_ACCEPTED 4
#define MTB_OUTCOME 5
#define MTB_ANSWER 6
#define MTB_PUSH_QUOTES 7
#define MTB_PUSH_BARS 8
#define MTB_TRANSACTION 9
#define MTB_LOG 10

// Tags of messages from the hub.
#define MTB_WELCOME 1
#define MTB_TRADE 2
#define MTB_QUERY 3
#define MTB_ACKNOWLEDGE 4
#define MTB_LATCH 5
#define MTB_DRAW 6
#define MTB_SUBSCRIBE 7
#define MTB_GET_ACCOUNT 16
#define MTB_GET_SYMBOLS 17
#define MTB_GET_SYMBOL 18
#define MTB_GET_QUOTES 19
#define MTB_GET_BARS 20
#define MTB_GET_POSITIONS 21
#define MTB_GET_DEALS 22
#define MTB_GET_TICKS 23
#define MTB_GET_ORDERS 24
#define MTB_GET_HISTORY_ORDERS 25
#define MTB_GET_DEPTH 26
#define MTB_SELECT_SYMBOL 27
#define MTB_CHECK_ORDER 28
#define MTB_CALC_MARGIN 29
#define MTB_CALC_PROFIT 30
#define MTB_GET_SESSION 31

// Bits of Hello's features.
#define MTB_FEATURE_SUBSCRIBE 1

// Status of a reply.
#define MTB_REPLY_OK 0
#define MTB_REPLY_ERROR 1
#define MTB_REPLY_LOADING 2
#define MTB_REPLY_NO_MORE 3
#define MTB_REPLY_NOT_FOUND 4
#define MTB_REPLY_UNSUPPORTED 5

// Kinds of an outcome.
#define MTB_OUTCOME_BROKER 0
#define MTB_OUTCOME_REFUSED 1

// Kinds of an answer.
#define MTB_ANSWER_NOT_SEEN 0
#define MTB_ANSWER_IN_PROGRESS 1
#define MTB_ANSWER_OUTCOME 2
#define MTB_ANSWER_FORGOTTEN 3
#define MTB_ANSWER_EVIDENCE 4
#define MTB_ANSWER_NO_EVIDENCE 5

// Bits of proof that nothing happened.
#define MTB_PROOF_CONNECTED 1
#define MTB_PROOF_SYNCHRONISED 2
#define MTB_PROOF_COVERS_DISPATCH 4
#define MTB_PROOF_ALL 7

// Kinds of a transaction.
#define MTB_TRANSACTION_ORDER_ADD 0
#define MTB_TRANSACTION_ORDER_UPDATE 1
#define MTB_TRANSACTION_ORDER_DELETE 2
#define MTB_TRANSACTION_HISTORY_ADD 3
#define MTB_TRANSACTION_HISTORY_UPDATE 4
#define MTB_TRANSACTION_HISTORY_DELETE 5
#define MTB_TRANSACTION_DEAL_ADD 6
#define MTB_TRANSACTION_DEAL_UPDATE 7
#define MTB_TRANSACTION_DEAL_DELETE 8
#define MTB_TRANSACTION_POSITION 9

// Modes of reading bars and ticks.
#define MTB_BARS_POSITION 0
#define MTB_BARS_RANGE 1
#define MTB_BARS_ENDING_AT 2
#define MTB_TICKS_FROM 0
#define MTB_TICKS_RANGE 1

// Flags of Draw.
#define MTB_DRAW_REPLACE 1
#define MTB_DRAW_MORE 2

// Actions of a request, by MetaTrader 5's numbers, on MetaTrader 4 too.
#define MTB_ACTION_DEAL 1
#define MTB_ACTION_PENDING 5
#define MTB_ACTION_SLTP 6
#define MTB_ACTION_MODIFY 7
#define MTB_ACTION_REMOVE 8
#define MTB_ACTION_CLOSE_BY 10

// Levels of Log.
#define MTB_LOG_DEBUG 0
#define MTB_LOG_INFO 1
#define MTB_LOG_WARNING 2
#define MTB_LOG_ERROR 3

// Retcodes by MetaTrader 5's numbers, on MetaTrader 4 too.
#define MTB_RETCODE_REQUOTE 10004
#define MTB_RETCODE_REJECT 10006
#define MTB_RETCODE_PLACED 10008
#define MTB_RETCODE_DONE 10009
#define MTB_RETCODE_DONE_PARTIAL 10010
#define MTB_RETCODE_ERROR 10011
#define MTB_RETCODE_TIMEOUT 10012
#define MTB_RETCODE_INVALID 10013
#define MTB_RETCODE_CONNECTION 10031

/// TradeRequest: the 17 fields of MqlTradeRequest, with plain numbers, so that it is the same on both platforms.
struct MtbRequest {
   int action;
   ulong magic;
   ulong order;
   string symbol;
   double volume;
   double price;
   double stoplimit;
   double sl;
   double tp;
   ulong deviation;
   int type;
   int type_filling;
   int type_time;
   long expiration;
   string comment;
   ulong position;
   ulong position_by;
};

/// TradeResult: the 10 fields of MqlTradeResult.
struct MtbResult {
   uint retcode;
   ulong deal;
   ulong order;
   double volume;
   double price;
   double bid;
   double ask;
   string comment;
   uint request_id;
   int retcode_external;
};

/// How a read ended. The body is written elsewhere.
struct MtbReply {
   /// MTB_REPLY_*
   int status;
   /// MQL error code, 0 if none.
   int code;
   /// The error in words.
   string text;
};

/// All fields 0 or empty.
void ClearResult(MtbResult &result) {
   result.retcode = 0;
   result.deal = 0;
   result.order = 0;
   result.volume = 0.0;
   result.price = 0.0;
   result.bid = 0.0;
   result.ask = 0.0;
   result.comment = "";
   result.request_id = 0;
   result.retcode_external = 0;
}

/// Begins a message of the terminal: the head of the array, the tag and this moment's count. `fields` values must follow.
void Begin(CPackWriter &writer, const int tag, const int fields) {
   writer.Clear();
   writer.PutArray(fields + 2);
   writer.PutUInt((ulong)tag);
   writer.PutUInt(GetMicrosecondCount());
}

/// Writes a TradeRequest.
void PackRequest(CPackWriter &writer, const MtbRequest &request) {
   writer.PutArray(17);
   writer.PutUInt((ulong)request.action);
   writer.PutUInt(request.magic);
   writer.PutUInt(request.order);
   writer.PutText(request.symbol);
   writer.PutDouble(request.volume);
   writer.PutDouble(request.price);
   writer.PutDouble(request.stoplimit);
   writer.PutDouble(request.sl);
   writer.PutDouble(request.tp);
   writer.PutUInt(request.deviation);
   writer.PutUInt((ulong)request.type);
   writer.PutUInt((ulong)request.type_filling);
   writer.PutUInt((ulong)request.type_time);
   writer.PutInt(request.expiration);
   writer.PutText(request.comment);
   writer.PutUInt(request.position);
   writer.PutUInt(request.position_by);
}

/// Writes a TradeResult.
void PackResult(CPackWriter &writer, const MtbResult &result) {
   writer.PutArray(10);
   writer.PutUInt((ulong)result.retcode);
   writer.PutUInt(result.deal);
   writer.PutUInt(result.order);
   writer.PutDouble(result.volume);
   writer.PutDouble(result.price);
   writer.PutDouble(result.bid);
   writer.PutDouble(result.ask);
   writer.PutText(result.comment);
   writer.PutUInt((ulong)result.request_id);
   writer.PutInt((long)result.retcode_external);
}

/// Reads a TradeRequest. False if it is none; the reader has failed then.
bool UnpackRequest(CPackReader &reader, MtbRequest &request) {
   reader.Enter();
   request.action = reader.GetSmall(255);
   request.magic = reader.GetUInt();
   request.order = reader.GetUInt();
   request.symbol = reader.GetText();
   request.volume = reader.GetDouble();
   request.price = reader.GetDouble();
   request.stoplimit = reader.GetDouble();
   request.sl = reader.GetDouble();
   request.tp = reader.GetDouble();
   request.deviation = reader.GetUInt();
   request.type = reader.GetSmall(255);
   request.type_filling = reader.GetSmall(255);
   request.type_time = reader.GetSmall(255);
   request.expiration = reader.GetInt();
   request.comment = reader.GetText();
   request.position = reader.GetUInt();
   request.position_by = reader.GetUInt();
   if(!reader.Failed())
      reader.Leave();
   return !reader.Failed();
}

/// Reads a TradeResult, from the EA's own file.
bool UnpackResult(CPackReader &reader, MtbResult &result) {
   reader.Enter();
   result.retcode = (uint)reader.GetUInt();
   result.deal = reader.GetUInt();
   result.order = reader.GetUInt();
   result.volume = reader.GetDouble();
   result.price = reader.GetDouble();
   result.bid = reader.GetDouble();
   result.ask = reader.GetDouble();
   result.comment = reader.GetText();
   result.request_id = (uint)reader.GetUInt();
   result.retcode_external = (int)reader.GetInt();
   if(!reader.Failed())
      reader.Leave();
   return !reader.Failed();
}

#endif
