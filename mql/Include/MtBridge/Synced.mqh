//+------------------------------------------------------------------+
//| Synced.mqh: whether the terminal has all that the broker has     |
//|                                                                  |
//| No call tells it. After the link came up the terminal fetches    |
//| what it lacks, so for a while its history may be an old one. It  |
//| counts as whole after a minute of unbroken link, when nothing    |
//| was added between two looks.                                     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_SYNCED_MQH
#define MTBRIDGE_SYNCED_MQH

#include <MtBridge\Platform.mqh>

// Tests define both shorter.
#ifndef MTB_SYNC_US
/// The link must have stood so long, microseconds.
#define MTB_SYNC_US 60000000
#endif
#ifndef MTB_SYNC_LOOK_US
/// Time between two looks, microseconds.
#define MTB_SYNC_LOOK_US 5000000
#endif

bool g_sync_linked = false;
ulong g_sync_linked_us = 0;
bool g_sync_looked = false;
ulong g_sync_looked_us = 0;
int g_sync_counts[4] = {0, 0, 0, 0};
bool g_synchronised = false;

/// Another account, or another start: everything is to be seen anew.
void SyncReset() {
   g_sync_linked = false;
   g_sync_looked = false;
   g_synchronised = false;
}

/// To be called each turn, so that no break of the link is missed.
void SyncTurn() {
   ulong now = GetMicrosecondCount();
   if(!BrokerConnected()) {
      SyncReset();
      return;
   }
   if(!g_sync_linked) {
      g_sync_linked = true;
      g_sync_linked_us = now;
   }
   if(g_synchronised || now - g_sync_linked_us < (ulong)MTB_SYNC_US)
      return;
   if(g_sync_looked && now - g_sync_looked_us < (ulong)MTB_SYNC_LOOK_US)
      return;
   int counts[4];
   if(!BrokerCounts(counts)) {
      g_sync_looked = false;
      return;
   }
   bool same = g_sync_looked;
   for(int i = 0; i < 4; i++) {
      same = same && counts[i] == g_sync_counts[i];
      g_sync_counts[i] = counts[i];
   }
   g_sync_looked = true;
   g_sync_looked_us = now;
   g_synchronised = same;
}

/// Whether what the terminal does not show was not there, as far as anybody can tell.
bool BrokerSynchronised() {
   SyncTurn();
   return g_synchronised;
}

#endif
