//+------------------------------------------------------------------+
//| Seen.mqh: the commands that this instance knows                  |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_SEEN_MQH
#define MTBRIDGE_SEEN_MQH

#include <MtBridge\Journal.mqh>

/// The memory is this large; beyond it new commands are refused.
#define MTB_SEEN_MAX 50000
/// An acknowledged command is dropped so long after its deadline, microseconds.
#define MTB_KEEP_US 600000000
/// A tombstone counts as one of a command with its deadline so far ahead, microseconds.
#define MTB_STONE_US 3600000000
/// An outcome is sent again after so long without acknowledgement, microseconds.
#define MTB_RESEND_US 1000000

#define MTB_SEEN_FREE 0
#define MTB_SEEN_TAKEN 1
#define MTB_SEEN_ENDED 2
#define MTB_SEEN_TOMBSTONE 3

/// One command of this instance.
struct MtbSeen {
   MtbId command;
   /// MTB_SEEN_*
   int state;
   ulong deadline_us;
   /// Whether its end proves anything.
   bool definite;
   /// Whether the hub still has to acknowledge the outcome.
   bool waiting;
   /// Whether it is named among the unsent, waiting or not.
   bool queued;
   ulong sent_us;
   MtbEnded end;
};

/// What this instance has seen, in memory, for its life: command to taken, ended or tombstone; and the watermark, the highest command
/// that was ever dropped. Nothing at or below it that is not in here is executed any more.
class CSeen {
private:
   CIdMap m_map;
   MtbSeen m_all[];
   int m_count;
   CQueue m_free;
   /// Outcomes without acknowledgement, those sent longest ago first, each once. Acknowledged ones are taken out when they come first.
   CQueue m_unsent;
   /// Acknowledged commands, in the order in which they were.
   CQueue m_done;
   /// Tombstones, oldest first.
   CQueue m_stones;
   bool m_marked;
   MtbId m_watermark;
   int m_waiting;

   void ForgetFrom(CQueue &queue, const ulong now_us) {
      while(queue.Count() > 0) {
         int at = (int)queue.Front();
         ulong deadline_us = m_all[at].deadline_us;
         if(m_all[at].queued || now_us < deadline_us || now_us - deadline_us < MTB_KEEP_US)
            return;
         queue.Pop();
         m_map.Remove(m_all[at].command);
         RaiseMark(m_all[at].command);
         m_all[at].state = MTB_SEEN_FREE;
         m_all[at].end.reason = "";
         m_all[at].end.result.comment = "";
         m_free.Push((ulong)at);
      }
   }

public:
   CSeen() { Reset(); }

   /// An empty memory, for a new instance.
   void Reset() {
      m_map.Clear();
      ArrayResize(m_all, 0);
      m_count = 0;
      m_free.Clear();
      m_unsent.Clear();
      m_done.Clear();
      m_stones.Clear();
      m_marked = false;
      MtbIdClear(m_watermark);
      m_waiting = 0;
   }

   bool IsFull() const { return m_map.Count() >= MTB_SEEN_MAX; }

   /// How many outcomes wait for their acknowledgement.
   int Waiting() const { return m_waiting; }

   /// The place of a command, -1 if it is not known.
   int Find(const MtbId &command) const { return m_map.Find(command); }

   /// MTB_SEEN_* of a place.
   int State(const int at) const { return at >= 0 ? m_all[at].state : MTB_SEEN_FREE; }

   bool IsDefinite(const int at) const { return m_all[at].definite; }

   /// How the command at a place ended.
   void End(const int at, MtbId &command, MtbEnded &end) const {
      MtbIdSet(command, m_all[at].command);
      end = m_all[at].end;
   }

   /// Whether a command is at or below the watermark.
   bool IsBelowMark(const MtbId &command) const { return m_marked && !MtbIdLess(m_watermark, command); }

   void RaiseMark(const MtbId &command) {
      if(!m_marked || MtbIdLess(m_watermark, command))
         MtbIdSet(m_watermark, command);
      m_marked = true;
   }

   /// Puts a command in as taken or as a tombstone, and returns its place.
   int Put(const MtbId &command, const int state, const ulong deadline_us) {
      int at;
      if(m_free.Count() > 0) {
         at = (int)m_free.Pop();
      } else {
         at = m_count++;
         if(at >= ArraySize(m_all))
            ArrayResize(m_all, 2 * at + 64);
      }
      MtbIdSet(m_all[at].command, command);
      m_all[at].state = state;
      m_all[at].deadline_us = deadline_us;
      m_all[at].definite = true;
      m_all[at].waiting = false;
      m_all[at].queued = false;
      m_all[at].sent_us = 0;
      m_all[at].end.kind = MTB_OUTCOME_REFUSED;
      m_all[at].end.reason = "";
      ClearResult(m_all[at].end.result);
      m_map.Put(command, at);
      return at;
   }

   /// Puts a tombstone in: the command, which has not come, is never to be executed. Identifiers are ordered by time and no command
   /// lives longer than a minute, so after an hour the watermark serves as well as the stone.
   void Bury(const MtbId &command, const ulong now_us) {
      m_stones.Push((ulong)Put(command, MTB_SEEN_TOMBSTONE, now_us + MTB_STONE_US));
   }

   /// It ended; the outcome was sent at `now_us`, and waits for its acknowledgement.
   void Finish(const int at, const MtbEnded &end, const bool definite, const ulong now_us) {
      m_all[at].state = MTB_SEEN_ENDED;
      m_all[at].end = end;
      m_all[at].definite = definite;
      m_all[at].waiting = true;
      m_all[at].sent_us = now_us;
      m_waiting++;
      m_all[at].queued = true;
      m_unsent.Push((ulong)at);
   }

   /// The hub has its outcome.
   void Acknowledge(const MtbId &command) {
      int at = m_map.Find(command);
      if(at < 0 || !m_all[at].waiting)
         return;
      m_all[at].waiting = false;
      m_waiting--;
      m_done.Push((ulong)at);
   }

   /// The next place whose outcome is due to be sent again, marked as sent now; -1 if none is. Due is what was sent before
   /// `connected_us`, the beginning of the session, or a second ago.
   int NextDue(const ulong now_us, const ulong connected_us) {
      while(m_unsent.Count() > 0) {
         int at = (int)m_unsent.Front();
         if(!m_all[at].waiting) {
            m_all[at].queued = false;
            m_unsent.Pop();
            continue;
         }
         ulong sent = m_all[at].sent_us;
         if(sent >= connected_us && now_us - sent < MTB_RESEND_US)
            return -1;
         m_unsent.Pop();
         m_all[at].sent_us = now_us;
         m_unsent.Push((ulong)at);
         return at;
      }
      return -1;
   }

   /// Drops what was acknowledged and is ten minutes past its deadline; then nothing up to it can happen any more.
   void Forget(const ulong now_us) {
      ForgetFrom(m_done, now_us);
      ForgetFrom(m_stones, now_us);
   }
};

#endif
