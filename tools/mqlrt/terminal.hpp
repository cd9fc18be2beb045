// What both dialects know of account, symbols and prices. Included by terminal5.hpp and terminal4.hpp.
//
// The numbers of the property enums are positions in the host's rows (the records of docs/terminal-protocol.md), not MetaTrader's own.
#pragma once
#pragma GCC system_header

#include "host.hpp"
#include "mql.hpp"

namespace mql {

enum ENUM_SYMBOL_INFO_INTEGER : int {
    SYMBOL_CUSTOM = 0, SYMBOL_CHART_MODE = 1, SYMBOL_SELECT = 2, SYMBOL_VISIBLE = 3, SYMBOL_SESSION_DEALS = 4,
    SYMBOL_SESSION_BUY_ORDERS = 5, SYMBOL_SESSION_SELL_ORDERS = 6, SYMBOL_VOLUME = 7, SYMBOL_VOLUMEHIGH = 8,
    SYMBOL_VOLUMELOW = 9, SYMBOL_TIME = 10, SYMBOL_DIGITS = 11, SYMBOL_SPREAD = 12, SYMBOL_SPREAD_FLOAT = 13,
    SYMBOL_TICKS_BOOKDEPTH = 14, SYMBOL_TRADE_CALC_MODE = 15, SYMBOL_TRADE_MODE = 16, SYMBOL_START_TIME = 17,
    SYMBOL_EXPIRATION_TIME = 18, SYMBOL_TRADE_STOPS_LEVEL = 19, SYMBOL_TRADE_FREEZE_LEVEL = 20,
    SYMBOL_TRADE_EXEMODE = 21, SYMBOL_SWAP_MODE = 22, SYMBOL_SWAP_ROLLOVER3DAYS = 23,
    SYMBOL_MARGIN_HEDGED_USE_LEG = 24, SYMBOL_EXPIRATION_MODE = 25, SYMBOL_FILLING_MODE = 26, SYMBOL_ORDER_MODE = 27,
    SYMBOL_ORDER_GTC_MODE = 28, SYMBOL_OPTION_MODE = 29, SYMBOL_OPTION_RIGHT = 30, SYMBOL_EXIST = 1000,
    SYMBOL_TIME_MSC = 1001,
};
enum ENUM_SYMBOL_INFO_DOUBLE : int {
    SYMBOL_BID = 31, SYMBOL_BIDHIGH = 32, SYMBOL_BIDLOW = 33, SYMBOL_ASK = 34, SYMBOL_ASKHIGH = 35,
    SYMBOL_ASKLOW = 36, SYMBOL_LAST = 37, SYMBOL_LASTHIGH = 38, SYMBOL_LASTLOW = 39, SYMBOL_VOLUME_REAL = 40,
    SYMBOL_VOLUMEHIGH_REAL = 41, SYMBOL_VOLUMELOW_REAL = 42, SYMBOL_OPTION_STRIKE = 43, SYMBOL_POINT = 44,
    SYMBOL_TRADE_TICK_VALUE = 45, SYMBOL_TRADE_TICK_VALUE_PROFIT = 46, SYMBOL_TRADE_TICK_VALUE_LOSS = 47,
    SYMBOL_TRADE_TICK_SIZE = 48, SYMBOL_TRADE_CONTRACT_SIZE = 49, SYMBOL_TRADE_ACCRUED_INTEREST = 50,
    SYMBOL_TRADE_FACE_VALUE = 51, SYMBOL_TRADE_LIQUIDITY_RATE = 52, SYMBOL_VOLUME_MIN = 53, SYMBOL_VOLUME_MAX = 54,
    SYMBOL_VOLUME_STEP = 55, SYMBOL_VOLUME_LIMIT = 56, SYMBOL_SWAP_LONG = 57, SYMBOL_SWAP_SHORT = 58,
    SYMBOL_MARGIN_INITIAL = 59, SYMBOL_MARGIN_MAINTENANCE = 60, SYMBOL_SESSION_VOLUME = 61,
    SYMBOL_SESSION_TURNOVER = 62, SYMBOL_SESSION_INTEREST = 63, SYMBOL_SESSION_BUY_ORDERS_VOLUME = 64,
    SYMBOL_SESSION_SELL_ORDERS_VOLUME = 65, SYMBOL_SESSION_OPEN = 66, SYMBOL_SESSION_CLOSE = 67,
    SYMBOL_SESSION_AW = 68, SYMBOL_SESSION_PRICE_SETTLEMENT = 69, SYMBOL_SESSION_PRICE_LIMIT_MIN = 70,
    SYMBOL_SESSION_PRICE_LIMIT_MAX = 71, SYMBOL_MARGIN_HEDGED = 72, SYMBOL_PRICE_CHANGE = 73,
    SYMBOL_PRICE_VOLATILITY = 74, SYMBOL_PRICE_THEORETICAL = 75, SYMBOL_PRICE_DELTA = 76,
    SYMBOL_PRICE_THETA = 77, SYMBOL_PRICE_GAMMA = 78, SYMBOL_PRICE_VEGA = 79,
    SYMBOL_PRICE_RHO = 80, SYMBOL_PRICE_OMEGA = 81, SYMBOL_PRICE_SENSITIVITY = 82,
};
enum ENUM_SYMBOL_INFO_STRING : int {
    SYMBOL_BASIS = 83, SYMBOL_CATEGORY = 84, SYMBOL_CURRENCY_BASE = 85, SYMBOL_CURRENCY_PROFIT = 86,
    SYMBOL_CURRENCY_MARGIN = 87, SYMBOL_BANK = 88, SYMBOL_DESCRIPTION = 89, SYMBOL_EXCHANGE = 90,
    SYMBOL_FORMULA = 91, SYMBOL_ISIN = 92, SYMBOL_PAGE = 94, SYMBOL_PATH = 95,
};
enum ENUM_ACCOUNT_INFO_INTEGER : int {
    ACCOUNT_LOGIN = 0, ACCOUNT_TRADE_MODE = 1, ACCOUNT_LEVERAGE = 2, ACCOUNT_LIMIT_ORDERS = 3,
    ACCOUNT_MARGIN_SO_MODE = 4, ACCOUNT_TRADE_ALLOWED = 5, ACCOUNT_TRADE_EXPERT = 6, ACCOUNT_MARGIN_MODE = 7,
    ACCOUNT_CURRENCY_DIGITS = 8, ACCOUNT_FIFO_CLOSE = 9,
};
enum ENUM_ACCOUNT_INFO_DOUBLE : int {
    ACCOUNT_BALANCE = 10, ACCOUNT_CREDIT = 11, ACCOUNT_PROFIT = 12, ACCOUNT_EQUITY = 13, ACCOUNT_MARGIN = 14,
    ACCOUNT_MARGIN_FREE = 15, ACCOUNT_MARGIN_LEVEL = 16, ACCOUNT_MARGIN_SO_CALL = 17, ACCOUNT_MARGIN_SO_SO = 18,
    ACCOUNT_MARGIN_INITIAL = 19, ACCOUNT_MARGIN_MAINTENANCE = 20, ACCOUNT_ASSETS = 21, ACCOUNT_LIABILITIES = 22,
    ACCOUNT_COMMISSION_BLOCKED = 23,
};
enum ENUM_ACCOUNT_INFO_STRING : int {
    ACCOUNT_NAME = 24, ACCOUNT_SERVER = 25, ACCOUNT_CURRENCY = 26, ACCOUNT_COMPANY = 27,
};
enum ENUM_SERIES_INFO_INTEGER : int {
    SERIES_BARS_COUNT, SERIES_FIRSTDATE, SERIES_LASTBAR_DATE, SERIES_SERVER_FIRSTDATE, SERIES_TERMINAL_FIRSTDATE,
    SERIES_SYNCHRONIZED,
};
enum ENUM_DAY_OF_WEEK : int { SUNDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY };
enum ENUM_ACCOUNT_TRADE_MODE : int { ACCOUNT_TRADE_MODE_DEMO, ACCOUNT_TRADE_MODE_CONTEST, ACCOUNT_TRADE_MODE_REAL };
enum ENUM_SYMBOL_TRADE_MODE : int {
    SYMBOL_TRADE_MODE_DISABLED, SYMBOL_TRADE_MODE_LONGONLY, SYMBOL_TRADE_MODE_SHORTONLY, SYMBOL_TRADE_MODE_CLOSEONLY,
    SYMBOL_TRADE_MODE_FULL,
};
enum ENUM_SYMBOL_TRADE_EXECUTION : int {
    SYMBOL_TRADE_EXECUTION_REQUEST, SYMBOL_TRADE_EXECUTION_INSTANT, SYMBOL_TRADE_EXECUTION_MARKET,
    SYMBOL_TRADE_EXECUTION_EXCHANGE,
};

#pragma pack(push, 1)
struct MqlRates {
    datetime time;
    double open, high, low, close;
    long tick_volume;
    int spread;
    long real_volume;
    MQL_AGGREGATE(MqlRates)
};
#pragma pack(pop)
static_assert(sizeof(MqlRates) == 60);

// --- account
long AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER property);
double AccountInfoDouble(ENUM_ACCOUNT_INFO_DOUBLE property);
string AccountInfoString(ENUM_ACCOUNT_INFO_STRING property);

// --- symbols
int SymbolsTotal(bool selected);
string SymbolName(int pos, bool selected);
bool SymbolSelect(const string &name, bool select);
bool SymbolIsSynchronized(const string &name);
long SymbolInfoInteger(const string &name, ENUM_SYMBOL_INFO_INTEGER property);
bool SymbolInfoInteger(const string &name, ENUM_SYMBOL_INFO_INTEGER property, long &out);
double SymbolInfoDouble(const string &name, ENUM_SYMBOL_INFO_DOUBLE property);
bool SymbolInfoDouble(const string &name, ENUM_SYMBOL_INFO_DOUBLE property, double &out);
string SymbolInfoString(const string &name, ENUM_SYMBOL_INFO_STRING property);
bool SymbolInfoString(const string &name, ENUM_SYMBOL_INFO_STRING property, string &out);
bool SymbolInfoSessionTrade(const string &name, ENUM_DAY_OF_WEEK day, uint index, datetime &from, datetime &to);
bool SymbolInfoSessionQuote(const string &name, ENUM_DAY_OF_WEEK day, uint index, datetime &from, datetime &to);

// --- the broker's clock
/// The last tick's time: it stands still while there are none.
datetime TimeCurrent();

// --- shared by the dialects' own functions
namespace terminal {
/// The dialect of the running program.
int dialect();
/// What the host pushed for the program: tick, trade, transaction, book. In the terminal of each dialect.
void dispatch(const HostEvent &event);
/// The row of a symbol; empty, with the dialect's error, if there is none.
Row symbol(const string &name);
/// One field of what the host says of now; see README.md, "state".
enum State { BROKER_MS, UTC_OFFSET, IS_OPEN, LINK, TERMINAL_ALLOWED, EA_ALLOWED, ACCOUNT_ALLOWED, PING, REVISION, TICK_S, WALL_JUMP, BUILD, CHART_SYMBOL, CONTEXT_BUSY };
std::string state(State what);
/// Rows of `width` fields from an answer that begins with their number.
std::vector<Row> rows(const Row &answer, std::size_t width);
/// Bars as the host gives them; -1 with the error set. `mode`, `from`, `to` as in GetBars of the protocol.
int rates(const string &name, int timeframe, int mode, long from, long to, long count, const ArrRef<MqlRates> &out);
/// Forming bar's opening time, oldest opening time, number of bars, whether it is loaded; empty if there is no symbol.
Row series(const string &name, int timeframe);
long series_info(const string &name, int timeframe, ENUM_SERIES_INFO_INTEGER property);
} // namespace terminal

} // namespace mql
