//+------------------------------------------------------------------+
//| Main.mqh: inputs and events, the same on both platforms          |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_MAIN_MQH
#define MTBRIDGE_MAIN_MQH

#include <MtBridge\Transactions.mqh>

// The names are shown as they are, because a comment behind an input would take their place.

// The token that the hub gave for this account (mtb_*).
input string API_TOKEN = "";
// Where the hub is: wss://hub.example, or ws://address:port on your own network.
input string BackendURL = "wss://";
// Symbols in which positions may be opened, separated by commas; empty: all.
input string AllowedSymbols = "";
// Largest volume of one opening order, lots; 0: no limit.
input double MaxVolume = 0.0;
// Nothing may be opened; closing always works.
input bool BlockOpenings = false;
// State, account and the last problem on the chart.
input bool ShowPanel = true;
// Points and lines that bots send, drawn on the charts.
input bool DrawIndicators = true;
// First wait before connecting again, milliseconds. It doubles each time.
input uint RetryBaseMs = 500;
// Longest wait before connecting again, milliseconds.
input uint RetryMaxMs = 30000;
// Least wait when the token is in use elsewhere, milliseconds.
input uint TakenWaitMs = 30000;

/// The loop runs so often, milliseconds. Windows makes 10 to 16 of it.
#define MTB_TIMER_MS 10

CJournal g_journal;
CLimits g_limits;
CTrades g_trades;
CSession g_session;

/// Globals survive a change of the chart, so everything begins anew here.
int OnInit() {
   MtbSettings settings;
   settings.token = API_TOKEN;
   settings.url = BackendURL;
   settings.retry_base_ms = RetryBaseMs;
   settings.retry_max_ms = RetryMaxMs;
   settings.taken_wait_ms = TakenWaitMs;
   PlatformStart();
   g_limits.Set(AllowedSymbols, MaxVolume, BlockOpenings);
   g_session.m_chart.Init(ShowPanel, DrawIndicators);
   g_session.Start(GetPointer(g_trades), GetPointer(g_journal), GetPointer(g_limits), settings);
   if(!EventSetMillisecondTimer(MTB_TIMER_MS)) {
      Print("MtBridge: the terminal gave no timer (error ", GetLastError(), ")");
      return INIT_FAILED;
   }
   return INIT_SUCCEEDED;
}

void OnDeinit(const int reason) {
   EventKillTimer();
   g_session.Stop();
   PlatformStop();
   Print("MtBridge: ended (reason ", reason, ")");
}

/// A timer, because a quiet market has no ticks.
void OnTimer() {
   g_session.TurnIn();
   TransactionsTurn(g_session);
   g_session.TurnOut();
}

#endif
