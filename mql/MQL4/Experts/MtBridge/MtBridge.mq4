//+------------------------------------------------------------------+
//| MtBridge.mq4: connects this terminal to an mtbridge hub          |
//+------------------------------------------------------------------+
#property copyright "mtbridge"
#property version "1.10"
#property strict
#property description "Connects this terminal to an mtbridge hub: bots trade and read through it."
#property description "1. Common: tick Allow DLL imports (Windows' ws2_32.dll connects) and Allow live trading."
#property description "2. Inputs: API_TOKEN from the hub, BackendURL (ws://address:port)."
#property description "3. Press AutoTrading. Account History: choose All History."
#property description "The panel on the chart says what is wrong and what to click."

#include <MtBridge\Main.mqh>
