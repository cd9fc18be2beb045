// MQL4's pool of orders. The host answers with rows of the pool, and trades by MQL5's request, whose retcode becomes MQL4's error.
#include "mql4.hpp"

#include "runtime.hpp"
#include "terminal.hpp"

#include <map>

namespace mql {

using namespace terminal;

namespace {

/// Fields of a row of the pool.
enum Field {
    TICKET, TYPE, LOTS, OPEN_TIME, OPEN_PRICE, STOP_LOSS, TAKE_PROFIT, CLOSE_TIME, CLOSE_PRICE, COMMISSION, SWAP, PROFIT, SYMBOL,
    COMMENT, MAGIC, EXPIRATION, POOL_FIELDS,
};
enum Action { DEAL = 1, PENDING = 5, SLTP = 6, MODIFY = 7, REMOVE = 8, CLOSE_BY = 10 };
constexpr int COMMON_ERROR = 2, INVALID_PRICE_PARAMETER = 4107, INVALID_TICKET = 4108, INVALID_TRADE_PARAMETERS = 3,
              UNKNOWN_SYMBOL = 4106, NO_ORDER_SELECTED = 4105, NOT_ENOUGH_MONEY = 134, INVALID_FUNCTION_PARAMETER = 4051;
const std::map<int, int> ERRORS = {
    {10004, 138}, {10006, 137}, {10011, 2},    {10012, 128},  {10013, 3},   {10014, 131}, {10015, 129},  {10016, 130},  {10017, 133},
    {10018, 132}, {10019, 134}, {10020, 135},  {10021, 136},  {10022, 147}, {10025, 1},   {10026, 4112}, {10027, 4109}, {10029, 145},
    {10031, 6},   {10033, 148}, {10035, 4108}, {10036, 4108}, {10038, 131}, {10040, 148}, {10042, 140},  {10043, 4110}, {10044, 133},
};

// What OrderSelect copied.
Row g_order;

std::vector<Row> pool(int which) { return rows(host_look({which == MODE_HISTORY ? "pool_history" : "pool"}), POOL_FIELDS); }

const Row *find(const std::vector<Row> &in, int ticket) {
    for (const Row &row : in)
        if (to_i64(row[TICKET]) == ticket) return &row;
    return nullptr;
}

std::string field(Field which) {
    if (g_order.empty()) {
        set_last_error(NO_ORDER_SELECTED);
        return "";
    }
    return g_order[which];
}

/// MetaTrader 5's number of a timeframe given in minutes; 0 is the chart's.
int number_of(int minutes) {
    if (minutes == 0) minutes = options().period_minutes;
    switch (minutes) {
    case 60: return 16385;
    case 240: return 16388;
    case 1440: return 16408;
    case 10080: return 32769;
    case 43200: return 49153;
    default: return minutes;
    }
}

struct Request {
    int action = 0;
    int magic = 0;
    int order = 0;
    std::string symbol{};
    double volume = 0, price = 0, sl = 0, tp = 0;
    int deviation = 0;
    int type = 0;
    int type_time = 0;
    datetime expiration = 0;
    std::string comment{};
    int position = 0, position_by = 0;
};

/// Sends it; the order's ticket, or -1 with the error set.
int send(const Request &r) {
    Row answer = host_ask({"send", std::to_string(r.action), std::to_string(static_cast<unsigned>(r.magic)), std::to_string(r.order),
                           r.symbol, of_f64(r.volume), of_f64(r.price), "0", of_f64(r.sl), of_f64(r.tp), std::to_string(r.deviation),
                           std::to_string(r.type), "0", std::to_string(r.type_time), std::to_string(r.expiration), r.comment,
                           std::to_string(r.position), std::to_string(r.position_by)});
    host_forget();
    const int retcode = answer.size() < 3 ? 10011 : static_cast<int>(to_i64(answer[0]));
    if (retcode == 10009 || retcode == 10010) return static_cast<int>(to_i64(answer[2]));
    const auto known = ERRORS.find(retcode);
    set_last_error(known == ERRORS.end() ? COMMON_ERROR : known->second);
    return -1;
}

/// A copy of an open order, or nothing with the error set.
Row open_order(int ticket) {
    const std::vector<Row> open = pool(MODE_TRADES);
    const Row *row = find(open, ticket);
    if (row != nullptr) return *row;
    set_last_error(INVALID_TICKET);
    return {};
}

std::string account(int property) {
    const Row &row = host_look({"account"});
    return row.size() > static_cast<std::size_t>(property) ? row[static_cast<std::size_t>(property)] : std::string("0");
}

double margin_of(const string &name, int cmd, double volume) {
    Row answer = host_ask({"margin", std::to_string(cmd), name.to_utf8(), of_f64(volume), "0"});
    return answer.size() < 2 ? 0 : to_f64(answer[1]);
}

} // namespace

namespace terminal {
void dispatch(const HostEvent &event) {
    if (event.name == "tick" && mql_program_table.OnTick != nullptr) mql_program_table.OnTick();
}
} // namespace terminal

// ---- prices ----

bool SymbolInfoTick(const string &name, MqlTick &tick) {
    if (symbol(name).empty()) return false;
    Row row = host_look({"tick", name.to_utf8()});
    if (row.size() != 8) return false;
    tick.time = to_i64(row[0]);
    tick.bid = to_f64(row[1]);
    tick.ask = to_f64(row[2]);
    tick.last = to_f64(row[3]);
    tick.volume = to_u64(row[4]);
    return true;
}

bool RefreshRates() {
    host_forget();
    return true;
}

double MarketInfo(const string &name, int type) {
    Row row = symbol(name);
    if (row.empty()) return 0;
    const std::map<int, int> fields = {
        {MODE_LOW, SYMBOL_BIDLOW}, {MODE_HIGH, SYMBOL_BIDHIGH}, {MODE_TIME, SYMBOL_TIME}, {MODE_BID, SYMBOL_BID}, {MODE_ASK, SYMBOL_ASK},
        {MODE_POINT, SYMBOL_POINT}, {MODE_DIGITS, SYMBOL_DIGITS}, {MODE_SPREAD, SYMBOL_SPREAD}, {MODE_STOPLEVEL, SYMBOL_TRADE_STOPS_LEVEL},
        {MODE_LOTSIZE, SYMBOL_TRADE_CONTRACT_SIZE}, {MODE_TICKVALUE, SYMBOL_TRADE_TICK_VALUE}, {MODE_TICKSIZE, SYMBOL_TRADE_TICK_SIZE},
        {MODE_SWAPLONG, SYMBOL_SWAP_LONG}, {MODE_SWAPSHORT, SYMBOL_SWAP_SHORT}, {MODE_STARTING, SYMBOL_START_TIME},
        {MODE_EXPIRATION, SYMBOL_EXPIRATION_TIME}, {MODE_MINLOT, SYMBOL_VOLUME_MIN}, {MODE_LOTSTEP, SYMBOL_VOLUME_STEP},
        {MODE_MAXLOT, SYMBOL_VOLUME_MAX}, {MODE_PROFITCALCMODE, SYMBOL_TRADE_CALC_MODE}, {MODE_MARGINCALCMODE, SYMBOL_TRADE_CALC_MODE},
        {MODE_MARGININIT, SYMBOL_MARGIN_INITIAL}, {MODE_MARGINMAINTENANCE, SYMBOL_MARGIN_MAINTENANCE},
        {MODE_MARGINHEDGED, SYMBOL_MARGIN_HEDGED}, {MODE_FREEZELEVEL, SYMBOL_TRADE_FREEZE_LEVEL},
    };
    const auto found = fields.find(type);
    if (found != fields.end()) return to_f64(row[static_cast<std::size_t>(found->second)]);
    switch (type) {
    case MODE_TRADEALLOWED: return row[SYMBOL_TRADE_MODE] == "0" ? 0 : 1;
    case MODE_SWAPTYPE: return 0;
    case MODE_MARGINREQUIRED: return margin_of(name, OP_BUY, 1.0);
    case MODE_CLOSEBY_ALLOWED: return 1;
    default: set_last_error(INVALID_FUNCTION_PARAMETER); return 0;
    }
}

int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, int start, int count, ArrRef<MqlRates> out) {
    return rates(name, number_of(timeframe), 0, start, 0, count, out);
}
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, int count, ArrRef<MqlRates> out) {
    return rates(name, number_of(timeframe), 2, 0, start, count, out);
}
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop, ArrRef<MqlRates> out) {
    return rates(name, number_of(timeframe), 1, start < stop ? start : stop, start < stop ? stop : start, 100'000, out);
}
long SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property) {
    return series_info(name, number_of(timeframe), property);
}
bool SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property, long &out) {
    if (series(name, number_of(timeframe)).empty()) return false;
    out = SeriesInfoInteger(name, timeframe, property);
    return true;
}
int Bars(const string &name, ENUM_TIMEFRAMES timeframe) { return iBars(name, timeframe); }
int Bars(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop) {
    DynArr<MqlRates> between;
    const int count = CopyRates(name, timeframe, start, stop, between);
    return count < 0 ? 0 : count;
}
int iBars(const string &name, int timeframe) {
    return static_cast<int>(series_info(name, number_of(timeframe), SERIES_BARS_COUNT));
}
datetime iTime(const string &name, int timeframe, int shift) {
    DynArr<MqlRates> one;
    return CopyRates(name, static_cast<ENUM_TIMEFRAMES>(timeframe), shift, 1, one) == 1 ? one[0].time : 0;
}

// ---- account and permissions ----

int AccountNumber() { return static_cast<int>(to_i64(account(ACCOUNT_LOGIN))); }
int AccountLeverage() { return static_cast<int>(to_i64(account(ACCOUNT_LEVERAGE))); }
int AccountStopoutLevel() { return static_cast<int>(to_f64(account(ACCOUNT_MARGIN_SO_SO))); }
int AccountStopoutMode() { return static_cast<int>(to_i64(account(ACCOUNT_MARGIN_SO_MODE))); }
double AccountBalance() { return to_f64(account(ACCOUNT_BALANCE)); }
double AccountCredit() { return to_f64(account(ACCOUNT_CREDIT)); }
double AccountEquity() { return to_f64(account(ACCOUNT_EQUITY)); }
double AccountFreeMargin() { return to_f64(account(ACCOUNT_MARGIN_FREE)); }
double AccountMargin() { return to_f64(account(ACCOUNT_MARGIN)); }
double AccountProfit() { return to_f64(account(ACCOUNT_PROFIT)); }
string AccountCompany() { return string::utf8(account(ACCOUNT_COMPANY)); }
string AccountCurrency() { return string::utf8(account(ACCOUNT_CURRENCY)); }
string AccountName() { return string::utf8(account(ACCOUNT_NAME)); }
string AccountServer() { return string::utf8(account(ACCOUNT_SERVER)); }

double AccountFreeMarginCheck(const string &name, int cmd, double volume) {
    if (symbol(name).empty()) return 0;
    const double left = AccountFreeMargin() - margin_of(name, cmd, volume);
    if (left < 0) set_last_error(NOT_ENOUGH_MONEY);
    return left;
}

bool IsConnected() { return state(LINK) == "1"; }
bool IsDemo() { return account(ACCOUNT_TRADE_MODE) == "0"; }
bool IsExpertEnabled() { return state(TERMINAL_ALLOWED) == "1"; }
bool IsTradeAllowed() { return state(TERMINAL_ALLOWED) == "1" && state(EA_ALLOWED) == "1"; }
bool IsTradeContextBusy() { return state(CONTEXT_BUSY) == "1"; }

// ---- orders ----

int OrdersTotal() { return static_cast<int>(pool(MODE_TRADES).size()); }
int OrdersHistoryTotal() { return static_cast<int>(pool(MODE_HISTORY).size()); }

bool OrderSelect(int index, int select, int which) {
    const std::vector<Row> orders = pool(select == SELECT_BY_TICKET ? MODE_TRADES : which);
    const Row *row = nullptr;
    if (select == SELECT_BY_TICKET)
        row = find(orders, index);
    else if (index >= 0 && static_cast<std::size_t>(index) < orders.size())
        row = &orders[static_cast<std::size_t>(index)];
    std::vector<Row> closed;
    if (row == nullptr && select == SELECT_BY_TICKET) {
        closed = pool(MODE_HISTORY);
        row = find(closed, index);
    }
    if (row == nullptr) {
        set_last_error(select == SELECT_BY_TICKET ? INVALID_TICKET : INVALID_FUNCTION_PARAMETER);
        return false;
    }
    g_order = *row;
    return true;
}

int OrderTicket() { return static_cast<int>(to_i64(field(TICKET))); }
int OrderType() { return static_cast<int>(to_i64(field(TYPE))); }
int OrderMagicNumber() { return static_cast<int>(to_i64(field(MAGIC))); }
double OrderLots() { return to_f64(field(LOTS)); }
double OrderOpenPrice() { return to_f64(field(OPEN_PRICE)); }
double OrderClosePrice() { return to_f64(field(CLOSE_PRICE)); }
double OrderStopLoss() { return to_f64(field(STOP_LOSS)); }
double OrderTakeProfit() { return to_f64(field(TAKE_PROFIT)); }
double OrderCommission() { return to_f64(field(COMMISSION)); }
double OrderSwap() { return to_f64(field(SWAP)); }
double OrderProfit() { return to_f64(field(PROFIT)); }
datetime OrderOpenTime() { return to_i64(field(OPEN_TIME)); }
datetime OrderCloseTime() { return to_i64(field(CLOSE_TIME)); }
datetime OrderExpiration() { return to_i64(field(EXPIRATION)); }
string OrderSymbol() { return string::utf8(field(SYMBOL)); }
string OrderComment() { return string::utf8(field(COMMENT)); }

int OrderSend(const string &name, int cmd, double volume, double price, int slippage, double stoploss, double takeprofit,
              const string &comment, int magic, datetime expiration, color) {
    if (cmd < OP_BUY || cmd > OP_SELLSTOP) {
        set_last_error(INVALID_TRADE_PARAMETERS);
        return -1;
    }
    if (symbol(name).empty()) return -1;
    if (!(price > 0)) {
        set_last_error(INVALID_PRICE_PARAMETER);
        return -1;
    }
    return send({.action = cmd > OP_SELL ? PENDING : DEAL, .magic = magic, .symbol = name.to_utf8(), .volume = volume, .price = price,
                 .sl = stoploss, .tp = takeprofit, .deviation = slippage, .type = cmd, .type_time = expiration > 0 ? 2 : 0,
                 .expiration = expiration, .comment = comment.to_utf8()});
}

bool OrderModify(int ticket, double price, double stoploss, double takeprofit, datetime expiration, color) {
    Row order = open_order(ticket);
    if (order.empty()) return false;
    if (to_i64(order[TYPE]) <= OP_SELL)
        return send({.action = SLTP, .symbol = order[SYMBOL], .sl = stoploss, .tp = takeprofit, .position = ticket}) >= 0;
    return send({.action = MODIFY, .order = ticket, .symbol = order[SYMBOL], .price = price, .sl = stoploss, .tp = takeprofit,
                 .type = static_cast<int>(to_i64(order[TYPE])), .type_time = expiration > 0 ? 2 : 0, .expiration = expiration}) >= 0;
}

bool OrderClose(int ticket, double lots, double price, int slippage, color) {
    Row order = open_order(ticket);
    if (order.empty()) return false;
    if (to_i64(order[TYPE]) > OP_SELL || !(price > 0)) {
        set_last_error(to_i64(order[TYPE]) > OP_SELL ? INVALID_TICKET : INVALID_PRICE_PARAMETER);
        return false;
    }
    return send({.action = DEAL, .symbol = order[SYMBOL], .volume = lots, .price = price, .deviation = slippage,
                 .type = static_cast<int>(1 - to_i64(order[TYPE])), .position = ticket}) >= 0;
}

bool OrderCloseBy(int ticket, int opposite, color) {
    Row order = open_order(ticket);
    if (order.empty() || open_order(opposite).empty()) return false;
    return send({.action = CLOSE_BY, .symbol = order[SYMBOL], .position = ticket, .position_by = opposite}) >= 0;
}

bool OrderDelete(int ticket, color) {
    Row order = open_order(ticket);
    if (order.empty()) return false;
    return send({.action = REMOVE, .order = ticket, .symbol = order[SYMBOL]}) >= 0;
}

} // namespace mql
