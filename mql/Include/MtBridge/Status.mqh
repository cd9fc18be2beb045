//+------------------------------------------------------------------+
//| Status.mqh: Hello and Status                                     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_STATUS_MQH
#define MTBRIDGE_STATUS_MQH

#include <MtBridge\Platform.mqh>
#include <MtBridge\Journal.mqh>
#include <MtBridge\Limits.mqh>

/// Writes a Hello.
void WriteHello(CPackWriter &w, const CJournal &journal, const MtbId &instance) {
   MtbId unfinished[];
   int count = journal.Unfinished(unfinished);
   ulong highest = HighestTagAtBroker();
   if(journal.HighestTag() > highest)
      highest = journal.HighestTag();
   uchar bytes[16];
   MtbPutBig64(bytes, 0, instance.hi);
   MtbPutBig64(bytes, 8, instance.lo);
   Begin(w, MTB_HELLO, 19);
   w.PutUInt(MTB_PROTOCOL);
   w.PutUInt((ulong)PlatformNumber());
   w.PutUInt(Login());
   w.PutText(AccountServerName());
   w.PutText(AccountInfoString(ACCOUNT_COMPANY));
   w.PutText(AccountInfoString(ACCOUNT_CURRENCY));
   w.PutUInt((ulong)AccountInfoInteger(ACCOUNT_LEVERAGE));
   w.PutUInt((ulong)AccountInfoInteger(ACCOUNT_TRADE_MODE));
   w.PutUInt((ulong)MarginMode());
   w.PutUInt((ulong)TerminalInfoInteger(TERMINAL_BUILD));
   w.PutText(MTB_EA_VERSION);
   w.PutBin(bytes, 0, 16);
   w.PutUInt((ulong)SymbolCount());
   w.PutUInt(SymbolsDigest());
   w.PutInt(BrokerTime());
   w.PutInt((long)UtcOffsetSeconds());
   w.PutUInt(highest);
   w.PutArray(count);
   for(int i = 0; i < count; i++)
      w.PutId(unfinished[i]);
   w.PutUInt(MTB_FEATURE_SUBSCRIBE);
}

/// The kill level in force, the higher of the EA's own and the hub's.
int LatchLevel(const CJournal &journal, const CLimits &limits) {
   return limits.Blocks() && journal.Latch() < 1 ? 1 : journal.Latch();
}

/// Why it is latched, in words; "" if it is not.
string LatchWords(const CJournal &journal, const CLimits &limits) {
   if(journal.Latch() > 0)
      return journal.LatchReason();
   return limits.Blocks() ? "the terminal's owner blocks openings (input BlockOpenings)" : "";
}

/// Writes a Status. `loop_age_ms` is how long ago the loop ran before this turn.
void WriteStatus(CPackWriter &w, const CJournal &journal, const CLimits &limits, const uint loop_age_ms) {
   Begin(w, MTB_STATUS, 17);
   w.PutUInt((ulong)loop_age_ms);
   w.PutBool(BrokerConnected());
   w.PutBool(TradeAllowedTerminal());
   w.PutBool(TradeAllowedEa());
   w.PutBool(TradeAllowedAccount());
   w.PutDouble(AccountInfoDouble(ACCOUNT_BALANCE));
   w.PutDouble(AccountInfoDouble(ACCOUNT_EQUITY));
   w.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN));
   w.PutDouble(AccountInfoDouble(ACCOUNT_MARGIN_FREE));
   w.PutUInt((ulong)BrokerPingUs());
   w.PutInt(BrokerTime());
   w.PutInt((long)UtcOffsetSeconds());
   w.PutUInt((ulong)MarketState());
   w.PutUInt((ulong)LatchLevel(journal, limits));
   w.PutUInt((ulong)PositionCount());
   w.PutUInt((ulong)PendingCount());
   w.PutText(LatchWords(journal, limits));
}

/// One number out of everything in a Status that no tick of the price changes: another number is worth another Status at once.
ulong StatusDigest(const CLimits &limits) {
   MtbDoubleBits balance;
   balance.value = AccountInfoDouble(ACCOUNT_BALANCE);
   ulong digest = balance.bits;
   int parts[8];
   parts[0] = BrokerConnected() ? 1 : 0;
   parts[1] = TradeAllowedTerminal() ? 1 : 0;
   parts[2] = TradeAllowedEa() ? 1 : 0;
   parts[3] = TradeAllowedAccount() ? 1 : 0;
   parts[4] = MarketState();
   parts[5] = PositionCount();
   parts[6] = PendingCount();
   parts[7] = UtcOffsetSeconds();
   for(int i = 0; i < 8; i++)
      digest = (digest ^ (ulong)(long)parts[i]) * (ulong)0x00000100000001B3;
   return limits.Blocks() ? ~digest : digest;
}

#endif
