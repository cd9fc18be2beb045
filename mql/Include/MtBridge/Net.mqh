//+------------------------------------------------------------------+
//| Net.mqh: one TCP connection, by the means of the platform        |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_NET_MQH
#define MTBRIDGE_NET_MQH

/// So long may connecting block the EA's only thread, milliseconds.
#define MTB_CONNECT_MS 3000
/// One read or write of the system moves so many bytes at most.
#define MTB_CHUNK 65536
/// One turn takes so many bytes from the socket at most.
#define MTB_TURN_BYTES 1048576

#ifdef __MQL4__
#include <MtBridge\Net4.mqh>
#else
#include <MtBridge\Net5.mqh>
#endif

#endif
