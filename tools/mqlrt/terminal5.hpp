// MQL5: positions, orders, deals, history, trading, ticks, depth of market.
#pragma once
#pragma GCC system_header

#include "terminal.hpp"

namespace mql {

enum ENUM_POSITION_PROPERTY_INTEGER : int {
    POSITION_TICKET = 0, POSITION_TIME = 1, POSITION_TIME_MSC = 2, POSITION_TIME_UPDATE = 3,
    POSITION_TIME_UPDATE_MSC = 4, POSITION_TYPE = 5, POSITION_MAGIC = 6, POSITION_IDENTIFIER = 7,
    POSITION_REASON = 8,
};
enum ENUM_POSITION_PROPERTY_DOUBLE : int {
    POSITION_VOLUME = 9, POSITION_PRICE_OPEN = 10, POSITION_SL = 11, POSITION_TP = 12, POSITION_PRICE_CURRENT = 13,
    POSITION_SWAP = 14, POSITION_PROFIT = 15,
};
enum ENUM_POSITION_PROPERTY_STRING : int {
    POSITION_SYMBOL = 16, POSITION_COMMENT = 17, POSITION_EXTERNAL_ID = 18,
};
enum ENUM_ORDER_PROPERTY_INTEGER : int {
    ORDER_TICKET = 0, ORDER_TIME_SETUP = 1, ORDER_TIME_SETUP_MSC = 2, ORDER_TIME_DONE = 3, ORDER_TIME_DONE_MSC = 4,
    ORDER_TIME_EXPIRATION = 5, ORDER_TYPE = 6, ORDER_TYPE_TIME = 7, ORDER_TYPE_FILLING = 8, ORDER_STATE = 9,
    ORDER_MAGIC = 10, ORDER_POSITION_ID = 11, ORDER_POSITION_BY_ID = 12, ORDER_REASON = 13,
};
enum ENUM_ORDER_PROPERTY_DOUBLE : int {
    ORDER_VOLUME_INITIAL = 14, ORDER_VOLUME_CURRENT = 15, ORDER_PRICE_OPEN = 16, ORDER_SL = 17, ORDER_TP = 18,
    ORDER_PRICE_CURRENT = 19, ORDER_PRICE_STOPLIMIT = 20,
};
enum ENUM_ORDER_PROPERTY_STRING : int {
    ORDER_SYMBOL = 21, ORDER_COMMENT = 22, ORDER_EXTERNAL_ID = 23,
};
enum ENUM_DEAL_PROPERTY_INTEGER : int {
    DEAL_TICKET = 0, DEAL_ORDER = 1, DEAL_TIME = 2, DEAL_TIME_MSC = 3, DEAL_TYPE = 4, DEAL_ENTRY = 5, DEAL_MAGIC = 6,
    DEAL_POSITION_ID = 7, DEAL_REASON = 8,
};
enum ENUM_DEAL_PROPERTY_DOUBLE : int {
    DEAL_VOLUME = 9, DEAL_PRICE = 10, DEAL_COMMISSION = 11, DEAL_SWAP = 12, DEAL_PROFIT = 13, DEAL_FEE = 14,
};
enum ENUM_DEAL_PROPERTY_STRING : int {
    DEAL_SYMBOL = 15, DEAL_COMMENT = 16, DEAL_EXTERNAL_ID = 17,
};
enum ENUM_ORDER_TYPE : int {
    ORDER_TYPE_BUY, ORDER_TYPE_SELL, ORDER_TYPE_BUY_LIMIT, ORDER_TYPE_SELL_LIMIT, ORDER_TYPE_BUY_STOP, ORDER_TYPE_SELL_STOP,
    ORDER_TYPE_BUY_STOP_LIMIT, ORDER_TYPE_SELL_STOP_LIMIT, ORDER_TYPE_CLOSE_BY,
};
enum ENUM_ORDER_TYPE_FILLING : int { ORDER_FILLING_FOK, ORDER_FILLING_IOC, ORDER_FILLING_RETURN, ORDER_FILLING_BOC };
enum ENUM_ORDER_TYPE_TIME : int { ORDER_TIME_GTC, ORDER_TIME_DAY, ORDER_TIME_SPECIFIED, ORDER_TIME_SPECIFIED_DAY };
enum ENUM_ORDER_STATE : int {
    ORDER_STATE_STARTED, ORDER_STATE_PLACED, ORDER_STATE_CANCELED, ORDER_STATE_PARTIAL, ORDER_STATE_FILLED,
    ORDER_STATE_REJECTED, ORDER_STATE_EXPIRED, ORDER_STATE_REQUEST_ADD, ORDER_STATE_REQUEST_MODIFY,
    ORDER_STATE_REQUEST_CANCEL,
};
enum ENUM_ORDER_REASON : int {
    ORDER_REASON_CLIENT, ORDER_REASON_MOBILE, ORDER_REASON_WEB, ORDER_REASON_EXPERT, ORDER_REASON_SL, ORDER_REASON_TP,
    ORDER_REASON_SO,
};
enum ENUM_POSITION_TYPE : int { POSITION_TYPE_BUY, POSITION_TYPE_SELL };
enum ENUM_POSITION_REASON : int { POSITION_REASON_CLIENT, POSITION_REASON_MOBILE, POSITION_REASON_WEB, POSITION_REASON_EXPERT };
enum ENUM_DEAL_TYPE : int { DEAL_TYPE_BUY, DEAL_TYPE_SELL, DEAL_TYPE_BALANCE, DEAL_TYPE_CREDIT, DEAL_TYPE_CHARGE, DEAL_TYPE_CORRECTION };
enum ENUM_DEAL_ENTRY : int { DEAL_ENTRY_IN, DEAL_ENTRY_OUT, DEAL_ENTRY_INOUT, DEAL_ENTRY_OUT_BY };
enum ENUM_DEAL_REASON : int {
    DEAL_REASON_CLIENT, DEAL_REASON_MOBILE, DEAL_REASON_WEB, DEAL_REASON_EXPERT, DEAL_REASON_SL, DEAL_REASON_TP, DEAL_REASON_SO,
    DEAL_REASON_ROLLOVER,
};
enum ENUM_TRADE_REQUEST_ACTIONS : int {
    TRADE_ACTION_DEAL = 1, TRADE_ACTION_PENDING = 5, TRADE_ACTION_SLTP = 6, TRADE_ACTION_MODIFY = 7, TRADE_ACTION_REMOVE = 8,
    TRADE_ACTION_CLOSE_BY = 10,
};
enum ENUM_TRADE_TRANSACTION_TYPE : int {
    TRADE_TRANSACTION_ORDER_ADD, TRADE_TRANSACTION_ORDER_UPDATE, TRADE_TRANSACTION_ORDER_DELETE, TRADE_TRANSACTION_HISTORY_ADD,
    TRADE_TRANSACTION_HISTORY_UPDATE, TRADE_TRANSACTION_HISTORY_DELETE, TRADE_TRANSACTION_DEAL_ADD,
    TRADE_TRANSACTION_DEAL_UPDATE, TRADE_TRANSACTION_DEAL_DELETE, TRADE_TRANSACTION_POSITION, TRADE_TRANSACTION_REQUEST,
};
enum ENUM_ACCOUNT_MARGIN_MODE : int {
    ACCOUNT_MARGIN_MODE_RETAIL_NETTING, ACCOUNT_MARGIN_MODE_EXCHANGE, ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
};
enum ENUM_BOOK_TYPE : int { BOOK_TYPE_SELL = 1, BOOK_TYPE_BUY, BOOK_TYPE_SELL_MARKET, BOOK_TYPE_BUY_MARKET };
enum { SYMBOL_FILLING_FOK = 1, SYMBOL_FILLING_IOC = 2, SYMBOL_FILLING_BOC = 4 };
enum { TICK_FLAG_BID = 2, TICK_FLAG_ASK = 4, TICK_FLAG_LAST = 8, TICK_FLAG_VOLUME = 16, TICK_FLAG_BUY = 32, TICK_FLAG_SELL = 64 };
inline constexpr uint COPY_TICKS_ALL = 0xffffffffu, COPY_TICKS_INFO = 1, COPY_TICKS_TRADE = 2;
enum {
    TRADE_RETCODE_REQUOTE = 10004, TRADE_RETCODE_REJECT = 10006, TRADE_RETCODE_CANCEL, TRADE_RETCODE_PLACED,
    TRADE_RETCODE_DONE, TRADE_RETCODE_DONE_PARTIAL, TRADE_RETCODE_ERROR, TRADE_RETCODE_TIMEOUT, TRADE_RETCODE_INVALID,
    TRADE_RETCODE_INVALID_VOLUME, TRADE_RETCODE_INVALID_PRICE, TRADE_RETCODE_INVALID_STOPS, TRADE_RETCODE_TRADE_DISABLED,
    TRADE_RETCODE_MARKET_CLOSED, TRADE_RETCODE_NO_MONEY, TRADE_RETCODE_PRICE_CHANGED, TRADE_RETCODE_PRICE_OFF,
    TRADE_RETCODE_INVALID_EXPIRATION, TRADE_RETCODE_ORDER_CHANGED, TRADE_RETCODE_TOO_MANY_REQUESTS,
    TRADE_RETCODE_NO_CHANGES, TRADE_RETCODE_SERVER_DISABLES_AT, TRADE_RETCODE_CLIENT_DISABLES_AT, TRADE_RETCODE_LOCKED,
    TRADE_RETCODE_FROZEN, TRADE_RETCODE_INVALID_FILL, TRADE_RETCODE_CONNECTION, TRADE_RETCODE_ONLY_REAL,
    TRADE_RETCODE_LIMIT_ORDERS, TRADE_RETCODE_LIMIT_VOLUME, TRADE_RETCODE_INVALID_ORDER, TRADE_RETCODE_POSITION_CLOSED,
    TRADE_RETCODE_INVALID_CLOSE_VOLUME = 10038, TRADE_RETCODE_CLOSE_ORDER_EXIST, TRADE_RETCODE_LIMIT_POSITIONS,
    TRADE_RETCODE_REJECT_CANCEL, TRADE_RETCODE_LONG_ONLY, TRADE_RETCODE_SHORT_ONLY, TRADE_RETCODE_CLOSE_ONLY,
    TRADE_RETCODE_FIFO_CLOSE, TRADE_RETCODE_HEDGE_PROHIBITED,
};

#pragma pack(push, 1)
struct MqlTick {
    datetime time;
    double bid, ask, last;
    ulong volume;
    long time_msc;
    uint flags;
    double volume_real;
    MQL_AGGREGATE(MqlTick)
};
struct MqlBookInfo {
    ENUM_BOOK_TYPE type;
    double price;
    long volume;
    double volume_real;
    MQL_AGGREGATE(MqlBookInfo)
};
#pragma pack(pop)
static_assert(sizeof(MqlTick) == 60);

struct MqlTradeRequest {
    ENUM_TRADE_REQUEST_ACTIONS action;
    ulong magic, order;
    string symbol;
    double volume, price, stoplimit, sl, tp;
    ulong deviation;
    ENUM_ORDER_TYPE type;
    ENUM_ORDER_TYPE_FILLING type_filling;
    ENUM_ORDER_TYPE_TIME type_time;
    datetime expiration;
    string comment;
    ulong position, position_by;
    MQL_AGGREGATE(MqlTradeRequest)
};
struct MqlTradeResult {
    uint retcode;
    ulong deal, order;
    double volume, price, bid, ask;
    string comment;
    uint request_id;
    int retcode_external;
    MQL_AGGREGATE(MqlTradeResult)
};
struct MqlTradeCheckResult {
    uint retcode;
    double balance, equity, profit, margin, margin_free, margin_level;
    string comment;
    MQL_AGGREGATE(MqlTradeCheckResult)
};
struct MqlTradeTransaction {
    ulong deal, order;
    string symbol;
    ENUM_TRADE_TRANSACTION_TYPE type;
    ENUM_ORDER_TYPE order_type;
    ENUM_ORDER_STATE order_state;
    ENUM_DEAL_TYPE deal_type;
    ENUM_ORDER_TYPE_TIME time_type;
    datetime time_expiration;
    double price, price_trigger, price_sl, price_tp, volume;
    ulong position, position_by;
    MQL_AGGREGATE(MqlTradeTransaction)
};

// --- prices
bool SymbolInfoTick(const string &name, MqlTick &tick);
datetime TimeTradeServer();
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, int start, int count, ArrRef<MqlRates> out);
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, int count, ArrRef<MqlRates> out);
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop, ArrRef<MqlRates> out);
int CopyTicks(const string &name, ArrRef<MqlTick> out, uint flags = COPY_TICKS_ALL, ulong from = 0, uint count = 0);
int CopyTicksRange(const string &name, ArrRef<MqlTick> out, uint flags = COPY_TICKS_ALL, ulong from = 0, ulong to = 0);
long SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property);
bool SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property, long &out);
int Bars(const string &name, ENUM_TIMEFRAMES timeframe);
int Bars(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop);
int iBars(const string &name, ENUM_TIMEFRAMES timeframe);
datetime iTime(const string &name, ENUM_TIMEFRAMES timeframe, int shift);
bool MarketBookAdd(const string &name);
bool MarketBookRelease(const string &name);
bool MarketBookGet(const string &name, ArrRef<MqlBookInfo> out);

// --- what is open
int PositionsTotal();
ulong PositionGetTicket(int index);
string PositionGetSymbol(int index);
bool PositionSelect(const string &symbol);
bool PositionSelectByTicket(ulong ticket);
long PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property);
bool PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property, long &out);
double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property);
bool PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property, double &out);
string PositionGetString(ENUM_POSITION_PROPERTY_STRING property);
bool PositionGetString(ENUM_POSITION_PROPERTY_STRING property, string &out);
int OrdersTotal();
ulong OrderGetTicket(int index);
bool OrderSelect(ulong ticket);
long OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER property);
bool OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER property, long &out);
double OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE property);
bool OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE property, double &out);
string OrderGetString(ENUM_ORDER_PROPERTY_STRING property);
bool OrderGetString(ENUM_ORDER_PROPERTY_STRING property, string &out);

// --- history: select, then get
bool HistorySelect(datetime from, datetime to);
bool HistorySelectByPosition(ulong position);
int HistoryDealsTotal();
ulong HistoryDealGetTicket(int index);
bool HistoryDealSelect(ulong ticket);
long HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property);
bool HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property, long &out);
double HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property);
bool HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property, double &out);
string HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property);
bool HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property, string &out);
int HistoryOrdersTotal();
ulong HistoryOrderGetTicket(int index);
bool HistoryOrderSelect(ulong ticket);
long HistoryOrderGetInteger(ulong ticket, ENUM_ORDER_PROPERTY_INTEGER property);
bool HistoryOrderGetInteger(ulong ticket, ENUM_ORDER_PROPERTY_INTEGER property, long &out);
double HistoryOrderGetDouble(ulong ticket, ENUM_ORDER_PROPERTY_DOUBLE property);
bool HistoryOrderGetDouble(ulong ticket, ENUM_ORDER_PROPERTY_DOUBLE property, double &out);
string HistoryOrderGetString(ulong ticket, ENUM_ORDER_PROPERTY_STRING property);
bool HistoryOrderGetString(ulong ticket, ENUM_ORDER_PROPERTY_STRING property, string &out);

// --- trading
bool OrderSend(const MqlTradeRequest &request, MqlTradeResult &result);
bool OrderSendAsync(const MqlTradeRequest &request, MqlTradeResult &result);
bool OrderCheck(const MqlTradeRequest &request, MqlTradeCheckResult &result);
bool OrderCalcMargin(ENUM_ORDER_TYPE type, const string &symbol, double volume, double price, double &margin);
bool OrderCalcProfit(ENUM_ORDER_TYPE type, const string &symbol, double volume, double open, double close, double &profit);

} // namespace mql
