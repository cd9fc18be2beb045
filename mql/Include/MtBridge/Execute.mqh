//+------------------------------------------------------------------+
//| Execute.mqh: one request to the broker, once                     |
//|                                                                  |
//| ExecuteReady says whether anything may be sent at this moment.   |
//| ExecuteStart sends: 0 if the result is there at once, else a     |
//| handle. ExecutePoll gives the result of a handle, once.          |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_EXECUTE_MQH
#define MTBRIDGE_EXECUTE_MQH

#include <MtBridge\Platform.mqh>

#ifdef __MQL4__
#include <MtBridge\Execute4.mqh>
#else
#include <MtBridge\Execute5.mqh>
#endif

#endif
