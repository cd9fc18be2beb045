//+------------------------------------------------------------------+
//| ReadsSpec5.mqh: what MetaTrader 5 tells of a symbol              |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_SPEC5_MQH
#define MTBRIDGE_READS_SPEC5_MQH

#include <MtBridge\Platform.mqh>

/// How it is traded: whole numbers and flags.
void PackSpecRules(CPackWriter &body, const string symbol) {
   PutFlag(body, symbol, SYMBOL_CUSTOM);
   PutCount(body, symbol, SYMBOL_CHART_MODE);
   PutFlag(body, symbol, SYMBOL_SELECT);
   PutFlag(body, symbol, SYMBOL_VISIBLE);
   PutCount(body, symbol, SYMBOL_SESSION_DEALS);
   PutCount(body, symbol, SYMBOL_SESSION_BUY_ORDERS);
   PutCount(body, symbol, SYMBOL_SESSION_SELL_ORDERS);
   PutCount(body, symbol, SYMBOL_VOLUME);
   PutCount(body, symbol, SYMBOL_VOLUMEHIGH);
   PutCount(body, symbol, SYMBOL_VOLUMELOW);
   PutSigned(body, symbol, SYMBOL_TIME);
   PutCount(body, symbol, SYMBOL_DIGITS);
   PutSigned(body, symbol, SYMBOL_SPREAD);
   PutFlag(body, symbol, SYMBOL_SPREAD_FLOAT);
   PutCount(body, symbol, SYMBOL_TICKS_BOOKDEPTH);
   PutCount(body, symbol, SYMBOL_TRADE_CALC_MODE);
   PutCount(body, symbol, SYMBOL_TRADE_MODE);
   PutSigned(body, symbol, SYMBOL_START_TIME);
   PutSigned(body, symbol, SYMBOL_EXPIRATION_TIME);
   PutSigned(body, symbol, SYMBOL_TRADE_STOPS_LEVEL);
   PutSigned(body, symbol, SYMBOL_TRADE_FREEZE_LEVEL);
   PutCount(body, symbol, SYMBOL_TRADE_EXEMODE);
   PutCount(body, symbol, SYMBOL_SWAP_MODE);
   PutCount(body, symbol, SYMBOL_SWAP_ROLLOVER3DAYS);
   PutFlag(body, symbol, SYMBOL_MARGIN_HEDGED_USE_LEG);
   PutCount(body, symbol, SYMBOL_EXPIRATION_MODE);
   PutCount(body, symbol, SYMBOL_FILLING_MODE);
   PutCount(body, symbol, SYMBOL_ORDER_MODE);
   PutCount(body, symbol, SYMBOL_ORDER_GTC_MODE);
   PutCount(body, symbol, SYMBOL_OPTION_MODE);
   PutCount(body, symbol, SYMBOL_OPTION_RIGHT);
}

/// Prices, option, values of a tick, volumes, swaps and margins.
void PackSpecPrices(CPackWriter &body, const string symbol) {
   PutNumber(body, symbol, SYMBOL_BID);
   PutNumber(body, symbol, SYMBOL_BIDHIGH);
   PutNumber(body, symbol, SYMBOL_BIDLOW);
   PutNumber(body, symbol, SYMBOL_ASK);
   PutNumber(body, symbol, SYMBOL_ASKHIGH);
   PutNumber(body, symbol, SYMBOL_ASKLOW);
   PutNumber(body, symbol, SYMBOL_LAST);
   PutNumber(body, symbol, SYMBOL_LASTHIGH);
   PutNumber(body, symbol, SYMBOL_LASTLOW);
   PutNumber(body, symbol, SYMBOL_VOLUME_REAL);
   PutNumber(body, symbol, SYMBOL_VOLUMEHIGH_REAL);
   PutNumber(body, symbol, SYMBOL_VOLUMELOW_REAL);
   PutNumber(body, symbol, SYMBOL_OPTION_STRIKE);
   PutNumber(body, symbol, SYMBOL_POINT);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_VALUE);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_VALUE_PROFIT);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_VALUE_LOSS);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_SIZE);
   PutNumber(body, symbol, SYMBOL_TRADE_CONTRACT_SIZE);
   PutNumber(body, symbol, SYMBOL_TRADE_ACCRUED_INTEREST);
   PutNumber(body, symbol, SYMBOL_TRADE_FACE_VALUE);
   PutNumber(body, symbol, SYMBOL_TRADE_LIQUIDITY_RATE);
   PutNumber(body, symbol, SYMBOL_VOLUME_MIN);
   PutNumber(body, symbol, SYMBOL_VOLUME_MAX);
   PutNumber(body, symbol, SYMBOL_VOLUME_STEP);
   PutNumber(body, symbol, SYMBOL_VOLUME_LIMIT);
   PutNumber(body, symbol, SYMBOL_SWAP_LONG);
   PutNumber(body, symbol, SYMBOL_SWAP_SHORT);
   PutNumber(body, symbol, SYMBOL_MARGIN_INITIAL);
   PutNumber(body, symbol, SYMBOL_MARGIN_MAINTENANCE);
}

/// Figures of the session and of options.
void PackSpecSession(CPackWriter &body, const string symbol) {
   PutNumber(body, symbol, SYMBOL_SESSION_VOLUME);
   PutNumber(body, symbol, SYMBOL_SESSION_TURNOVER);
   PutNumber(body, symbol, SYMBOL_SESSION_INTEREST);
   PutNumber(body, symbol, SYMBOL_SESSION_BUY_ORDERS_VOLUME);
   PutNumber(body, symbol, SYMBOL_SESSION_SELL_ORDERS_VOLUME);
   PutNumber(body, symbol, SYMBOL_SESSION_OPEN);
   PutNumber(body, symbol, SYMBOL_SESSION_CLOSE);
   PutNumber(body, symbol, SYMBOL_SESSION_AW);
   PutNumber(body, symbol, SYMBOL_SESSION_PRICE_SETTLEMENT);
   PutNumber(body, symbol, SYMBOL_SESSION_PRICE_LIMIT_MIN);
   PutNumber(body, symbol, SYMBOL_SESSION_PRICE_LIMIT_MAX);
   PutNumber(body, symbol, SYMBOL_MARGIN_HEDGED);
   PutNumber(body, symbol, SYMBOL_PRICE_CHANGE);
   PutNumber(body, symbol, SYMBOL_PRICE_VOLATILITY);
   PutNumber(body, symbol, SYMBOL_PRICE_THEORETICAL);
   PutNumber(body, symbol, SYMBOL_PRICE_DELTA);
   PutNumber(body, symbol, SYMBOL_PRICE_THETA);
   PutNumber(body, symbol, SYMBOL_PRICE_GAMMA);
   PutNumber(body, symbol, SYMBOL_PRICE_VEGA);
   PutNumber(body, symbol, SYMBOL_PRICE_RHO);
   PutNumber(body, symbol, SYMBOL_PRICE_OMEGA);
   PutNumber(body, symbol, SYMBOL_PRICE_SENSITIVITY);
}

/// Texts.
void PackSpecWords(CPackWriter &body, const string symbol) {
   PutWords(body, symbol, SYMBOL_BASIS);
   PutWords(body, symbol, SYMBOL_CATEGORY);
   PutWords(body, symbol, SYMBOL_CURRENCY_BASE);
   PutWords(body, symbol, SYMBOL_CURRENCY_PROFIT);
   PutWords(body, symbol, SYMBOL_CURRENCY_MARGIN);
   PutWords(body, symbol, SYMBOL_BANK);
   PutWords(body, symbol, SYMBOL_DESCRIPTION);
   PutWords(body, symbol, SYMBOL_EXCHANGE);
   PutWords(body, symbol, SYMBOL_FORMULA);
   PutWords(body, symbol, SYMBOL_ISIN);
   body.PutText(symbol);
   PutWords(body, symbol, SYMBOL_PAGE);
   PutWords(body, symbol, SYMBOL_PATH);
}

/// One SymbolSpec.
void PackSpec(CPackWriter &body, const string symbol) {
   body.PutArray(96);
   PackSpecRules(body, symbol);
   PackSpecPrices(body, symbol);
   PackSpecSession(body, symbol);
   PackSpecWords(body, symbol);
}

#endif
