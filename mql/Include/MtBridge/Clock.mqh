//+------------------------------------------------------------------+
//| Clock.mqh: the EA's two clocks                                   |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_CLOCK_MQH
#define MTBRIDGE_CLOCK_MQH

/// Wall clock and count may differ by so much between arrival and OrderSend, microseconds; more, and the machine was suspended.
#define MTB_CLOCKS_AGREE_US 2000000

/// One reading of both clocks.
struct MtbMoment {
   /// GetMicrosecondCount(): only grows while the program runs.
   ulong mono_us;
   /// UTC by the PC's clock, in microseconds; it has whole seconds only. Not TimeLocal(), which jumps at the changes of summer time.
   long wall_us;
};

/// Reads both clocks.
void MtbNow(MtbMoment &moment) {
   moment.mono_us = GetMicrosecondCount();
   moment.wall_us = ((long)TimeLocal() + (long)TimeGMTOffset()) * 1000000;
}

/// Whether one clock went further than the other between two moments: the machine was suspended, or its clock was moved.
bool MtbClocksPart(const MtbMoment &earlier, const MtbMoment &later) {
   long wall = later.wall_us - earlier.wall_us;
   long mono = (long)(later.mono_us - earlier.mono_us);
   long apart = wall - mono;
   return apart > MTB_CLOCKS_AGREE_US || apart < -MTB_CLOCKS_AGREE_US;
}

#endif
