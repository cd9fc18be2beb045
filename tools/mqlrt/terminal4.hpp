// MQL4: one pool of orders, open or closed, and trading that waits for its result.
#pragma once
#pragma GCC system_header

#include "terminal.hpp"

namespace mql {

enum { OP_BUY, OP_SELL, OP_BUYLIMIT, OP_SELLLIMIT, OP_BUYSTOP, OP_SELLSTOP, OP_BALANCE, OP_CREDIT };
enum { SELECT_BY_POS, SELECT_BY_TICKET };
enum { MODE_TRADES, MODE_HISTORY };
enum {
    MODE_LOW = 1, MODE_HIGH = 2, MODE_TIME = 5, MODE_BID = 9, MODE_ASK = 10, MODE_POINT = 11, MODE_DIGITS = 12, MODE_SPREAD = 13,
    MODE_STOPLEVEL = 14, MODE_LOTSIZE = 15, MODE_TICKVALUE = 16, MODE_TICKSIZE = 17, MODE_SWAPLONG = 18, MODE_SWAPSHORT = 19,
    MODE_STARTING = 20, MODE_EXPIRATION = 21, MODE_TRADEALLOWED = 22, MODE_MINLOT = 23, MODE_LOTSTEP = 24, MODE_MAXLOT = 25,
    MODE_SWAPTYPE = 26, MODE_PROFITCALCMODE = 27, MODE_MARGINCALCMODE = 28, MODE_MARGININIT = 29, MODE_MARGINMAINTENANCE = 30,
    MODE_MARGINHEDGED = 31, MODE_MARGINREQUIRED = 32, MODE_FREEZELEVEL = 33, MODE_CLOSEBY_ALLOWED = 34,
};

#pragma pack(push, 1)
struct MqlTick {
    datetime time;
    double bid, ask, last;
    ulong volume;
    MQL_AGGREGATE(MqlTick)
};
#pragma pack(pop)
static_assert(sizeof(MqlTick) == 40);

// --- prices
bool SymbolInfoTick(const string &name, MqlTick &tick);
/// Whether anything has changed; here there is nothing to take over, because every look is fresh.
bool RefreshRates();
double MarketInfo(const string &name, int type);
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, int start, int count, ArrRef<MqlRates> out);
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, int count, ArrRef<MqlRates> out);
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop, ArrRef<MqlRates> out);
long SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property);
bool SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property, long &out);
int Bars(const string &name, ENUM_TIMEFRAMES timeframe);
int Bars(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop);
int iBars(const string &name, int timeframe);
datetime iTime(const string &name, int timeframe, int shift);

// --- account and permissions
int AccountNumber();
int AccountLeverage();
int AccountStopoutLevel();
int AccountStopoutMode();
double AccountBalance();
double AccountCredit();
double AccountEquity();
double AccountFreeMargin();
double AccountMargin();
double AccountProfit();
string AccountCompany();
string AccountCurrency();
string AccountName();
string AccountServer();
/// Free margin that would be left; below zero there is not enough (134).
double AccountFreeMarginCheck(const string &name, int cmd, double volume);
bool IsConnected();
bool IsDemo();
bool IsExpertEnabled();
bool IsTradeAllowed();
bool IsTradeContextBusy();

// --- orders
int OrdersTotal();
int OrdersHistoryTotal();
bool OrderSelect(int index, int select, int pool = MODE_TRADES);
int OrderTicket();
int OrderType();
int OrderMagicNumber();
double OrderLots();
double OrderOpenPrice();
double OrderClosePrice();
double OrderStopLoss();
double OrderTakeProfit();
double OrderCommission();
double OrderSwap();
double OrderProfit();
datetime OrderOpenTime();
datetime OrderCloseTime();
datetime OrderExpiration();
string OrderSymbol();
string OrderComment();
/// The ticket, or -1.
int OrderSend(const string &symbol, int cmd, double volume, double price, int slippage, double stoploss, double takeprofit,
              const string &comment = null_value, int magic = 0, datetime expiration = 0, color arrow = 0xffffffffu);
bool OrderModify(int ticket, double price, double stoploss, double takeprofit, datetime expiration, color arrow = 0xffffffffu);
bool OrderClose(int ticket, double lots, double price, int slippage, color arrow = 0xffffffffu);
bool OrderCloseBy(int ticket, int opposite, color arrow = 0xffffffffu);
bool OrderDelete(int ticket, color arrow = 0xffffffffu);

} // namespace mql
