//+------------------------------------------------------------------+
//| ReadsSpec4.mqh: what MetaTrader 4 tells of a symbol              |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_READS_SPEC4_MQH
#define MTBRIDGE_READS_SPEC4_MQH

#include <MtBridge\Platform.mqh>

// What has no line with its name is a property that this platform does not have.

/// How it is traded: whole numbers and flags.
void PackSpecRules(CPackWriter &body, const string symbol) {
   // custom
   PutNever(body, 1);
   // chart_mode
   PutZeros(body, 1);
   PutFlag(body, symbol, SYMBOL_SELECT);
   PutFlag(body, symbol, SYMBOL_VISIBLE);
   // session_deals, session_buy_orders, session_sell_orders, volume, volumehigh, volumelow
   PutZeros(body, 6);
   PutSigned(body, symbol, SYMBOL_TIME);
   PutCount(body, symbol, SYMBOL_DIGITS);
   PutSigned(body, symbol, SYMBOL_SPREAD);
   PutFlag(body, symbol, SYMBOL_SPREAD_FLOAT);
   // ticks_bookdepth
   PutZeros(body, 1);
   PutCount(body, symbol, SYMBOL_TRADE_CALC_MODE);
   PutCount(body, symbol, SYMBOL_TRADE_MODE);
   PutSigned(body, symbol, SYMBOL_START_TIME);
   PutSigned(body, symbol, SYMBOL_EXPIRATION_TIME);
   PutSigned(body, symbol, SYMBOL_TRADE_STOPS_LEVEL);
   PutSigned(body, symbol, SYMBOL_TRADE_FREEZE_LEVEL);
   PutCount(body, symbol, SYMBOL_TRADE_EXEMODE);
   PutCount(body, symbol, SYMBOL_SWAP_MODE);
   PutCount(body, symbol, SYMBOL_SWAP_ROLLOVER3DAYS);
   // margin_hedged_use_leg
   PutNever(body, 1);
   PutCount(body, symbol, SYMBOL_EXPIRATION_MODE);
   PutCount(body, symbol, SYMBOL_FILLING_MODE);
   PutCount(body, symbol, SYMBOL_ORDER_MODE);
   // order_gtc_mode, option_mode, option_right
   PutZeros(body, 3);
}

/// Prices, option, values of a tick, volumes, swaps and margins.
void PackSpecPrices(CPackWriter &body, const string symbol) {
   double gap = SymbolInfoDouble(symbol, SYMBOL_ASK) - SymbolInfoDouble(symbol, SYMBOL_BID);
   int digits = (int)SymbolInfoInteger(symbol, SYMBOL_DIGITS);
   PutNumber(body, symbol, SYMBOL_BID);
   body.PutDouble(MarketInfo(symbol, MODE_HIGH));
   body.PutDouble(MarketInfo(symbol, MODE_LOW));
   PutNumber(body, symbol, SYMBOL_ASK);
   body.PutDouble(NormalizeDouble(MarketInfo(symbol, MODE_HIGH) + gap, digits));
   body.PutDouble(NormalizeDouble(MarketInfo(symbol, MODE_LOW) + gap, digits));
   // last, lasthigh, lastlow, volume_real, volumehigh_real, volumelow_real, option_strike
   PutNothing(body, 7);
   PutNumber(body, symbol, SYMBOL_POINT);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_VALUE);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_VALUE);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_VALUE);
   PutNumber(body, symbol, SYMBOL_TRADE_TICK_SIZE);
   PutNumber(body, symbol, SYMBOL_TRADE_CONTRACT_SIZE);
   // trade_accrued_interest, trade_face_value, trade_liquidity_rate
   PutNothing(body, 3);
   PutNumber(body, symbol, SYMBOL_VOLUME_MIN);
   PutNumber(body, symbol, SYMBOL_VOLUME_MAX);
   PutNumber(body, symbol, SYMBOL_VOLUME_STEP);
   // volume_limit
   PutNothing(body, 1);
   PutNumber(body, symbol, SYMBOL_SWAP_LONG);
   PutNumber(body, symbol, SYMBOL_SWAP_SHORT);
   PutNumber(body, symbol, SYMBOL_MARGIN_INITIAL);
   PutNumber(body, symbol, SYMBOL_MARGIN_MAINTENANCE);
}

/// Figures of the session and of options.
void PackSpecSession(CPackWriter &body, const string symbol) {
   // session_volume to session_price_limit_max
   PutNothing(body, 11);
   body.PutDouble(MarketInfo(symbol, MODE_MARGINHEDGED));
   // price_change to price_sensitivity
   PutNothing(body, 10);
}

/// Texts.
void PackSpecWords(CPackWriter &body, const string symbol) {
   // basis, category
   PutEmpty(body, 2);
   PutWords(body, symbol, SYMBOL_CURRENCY_BASE);
   PutWords(body, symbol, SYMBOL_CURRENCY_PROFIT);
   PutWords(body, symbol, SYMBOL_CURRENCY_MARGIN);
   // bank
   PutEmpty(body, 1);
   PutWords(body, symbol, SYMBOL_DESCRIPTION);
   // exchange, formula, isin
   PutEmpty(body, 3);
   body.PutText(symbol);
   // page
   PutEmpty(body, 1);
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
