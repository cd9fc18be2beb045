//+------------------------------------------------------------------+
//| Journal.mqh: what an EA leaves to the one after a crash          |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_JOURNAL_MQH
#define MTBRIDGE_JOURNAL_MQH

#include <MtBridge\JournalFile.mqh>
#include <MtBridge\IdMap.mqh>
#include <MtBridge\Queue.mqh>
#include <MtBridge\Wire.mqh>

/// So many commands are remembered; of older ones only the broker's history knows.
#define MTB_NOTES_MAX 20000
/// Hello names at most so many unfinished commands.
#define MTB_UNFINISHED_MAX 1000
/// From this size on the file is written anew when there is time, bytes.
#define MTB_JOURNAL_MAX 33554432
/// After an attempt to write it anew the next one waits so long, microseconds.
#define MTB_COMPACT_US 60000000

// Kinds of records.
#define MTB_RECORD_INTENT 1
#define MTB_RECORD_RESULT 2
#define MTB_RECORD_ACKNOWLEDGED 3
#define MTB_RECORD_LATCH 4
#define MTB_RECORD_INSTANCE 5
#define MTB_RECORD_TAG 6

/// How a command ended at the terminal.
struct MtbEnded {
   /// MTB_OUTCOME_*
   int kind;
   /// Why the EA refused; empty otherwise.
   string reason;
   /// What OrderSend gave.
   MtbResult result;
};

/// What the file says of one command.
struct MtbNote {
   MtbId command;
   MtbId instance;
   ulong tag;
   long broker_time;
   bool intent;
   bool ended;
   bool acknowledged;
   bool used;
   /// Which of the commands that had this place it is.
   uint serial;
   MtbEnded end;
};

/// Whether a retcode proves what became of an order: those in MetaTrader's table do, but for error, time-out, no connection, and
/// "placed" of anything but a pending order.
bool MtbIsDefinite(const uint retcode, const int action) {
   if(retcode == MTB_RETCODE_ERROR || retcode == MTB_RETCODE_TIMEOUT || retcode == MTB_RETCODE_CONNECTION)
      return false;
   if(retcode == MTB_RETCODE_PLACED)
      return action == MTB_ACTION_PENDING;
   return retcode == 10004 || (retcode >= 10006 && retcode <= 10036) || (retcode >= 10038 && retcode <= 10046);
}

/// Whether a magic is one of the hub's tags.
bool MtbIsTag(const ulong magic) {
   return (magic >> 32) == 0x6D74 || (magic >> 24) == 0x5A;
}

/// The journal of one account in one terminal, over all instances of its EA. It never decides that something is executed: an INTENT
/// without a RESULT proves nothing.
class CJournal {
private:
   CJournalFile m_file;
   CIdMap m_map;
   MtbNote m_notes[];
   int m_count;
   /// Places that are free again.
   CQueue m_free;
   /// Places in the order of their first record, and in that of their acknowledgement, each with its serial.
   CQueue m_order;
   CQueue m_acknowledged;
   ulong m_highest_tag;
   int m_latch;
   string m_latch_reason;
   ulong m_instances;
   /// Size when it was last written anew, and when that was last tried; 0 is never.
   int m_compact_size;
   ulong m_compact_us;

   ulong Ref(const int at) const { return ((ulong)m_notes[at].serial << 32) | (ulong)at; }

   /// The place of a command, made if there is none.
   int Place(const MtbId &command) {
      int at = m_map.Find(command);
      if(at >= 0)
         return at;
      if(m_map.Count() >= MTB_NOTES_MAX)
         ForgetOne();
      if(m_free.Count() > 0) {
         at = (int)m_free.Pop();
      } else {
         at = m_count++;
         if(at >= ArraySize(m_notes)) {
            ArrayResize(m_notes, 2 * at + 64);
            for(int i = at; i < ArraySize(m_notes); i++)
               m_notes[i].serial = 0;
         }
      }
      uint serial = m_notes[at].serial + 1;
      MtbIdSet(m_notes[at].command, command);
      m_notes[at].instance.hi = 0;
      m_notes[at].instance.lo = 0;
      m_notes[at].tag = 0;
      m_notes[at].broker_time = 0;
      m_notes[at].intent = false;
      m_notes[at].ended = false;
      m_notes[at].acknowledged = false;
      m_notes[at].used = true;
      m_notes[at].serial = serial;
      m_map.Put(command, at);
      m_order.Push(Ref(at));
      return at;
   }

   /// Whether the place that a queue names still is what it was.
   bool IsCurrent(const ulong ref) const {
      int at = (int)(ref & (ulong)0xFFFFFFFF);
      return m_notes[at].used && m_notes[at].serial == (uint)(ref >> 32);
   }

   /// Drops the oldest: one that the hub still waits for goes only when all of them are such.
   void ForgetOne() {
      while(m_acknowledged.Count() > 0 || m_order.Count() > 0) {
         ulong ref = m_acknowledged.Count() > 0 ? m_acknowledged.Pop() : m_order.Pop();
         if(!IsCurrent(ref))
            continue;
         int at = (int)(ref & (ulong)0xFFFFFFFF);
         m_map.Remove(m_notes[at].command);
         m_notes[at].used = false;
         m_notes[at].end.reason = "";
         m_notes[at].end.result.comment = "";
         m_free.Push((ulong)at);
         break;
      }
      // What was dropped long ago is not kept in the queue for ever.
      while(m_order.Count() > 0 && !IsCurrent(m_order.Front()))
         m_order.Pop();
      if(m_order.Count() > 4 * MTB_NOTES_MAX)
         Straighten();
   }

   /// Takes out of the queue of all what is not there any more.
   void Straighten() {
      int count = m_order.Count();
      for(int i = 0; i < count; i++) {
         ulong ref = m_order.Pop();
         if(IsCurrent(ref))
            m_order.Push(ref);
      }
   }

   void RaiseTag(const ulong tag) {
      if(MtbIsTag(tag) && tag > m_highest_tag)
         m_highest_tag = tag;
   }

   void RememberIntent(const MtbId &command, const MtbId &instance, const ulong tag, const long broker_time) {
      RaiseTag(tag);
      int at = Place(command);
      m_notes[at].intent = true;
      MtbIdSet(m_notes[at].instance, instance);
      m_notes[at].tag = tag;
      m_notes[at].broker_time = broker_time;
   }

   void RememberResult(const MtbId &command, const MtbId &instance, const MtbEnded &end) {
      int at = Place(command);
      m_notes[at].ended = true;
      MtbIdSet(m_notes[at].instance, instance);
      m_notes[at].end = end;
   }

   void RememberAcknowledged(const MtbId &command) {
      int at = m_map.Find(command);
      if(at < 0 || m_notes[at].acknowledged)
         return;
      m_notes[at].acknowledged = true;
      m_acknowledged.Push(Ref(at));
   }

   /// Takes one record of the file.
   void Recall(CPackReader &record) {
      record.Enter();
      int kind = record.GetSmall(255);
      MtbId command;
      MtbId instance;
      MtbIdClear(command);
      MtbIdClear(instance);
      if(kind == MTB_RECORD_LATCH) {
         int level = record.GetSmall(255);
         string reason = record.GetText();
         if(!record.Failed()) {
            m_latch = level;
            m_latch_reason = reason;
         }
      } else if(kind == MTB_RECORD_INSTANCE) {
         m_instances = record.GetUInt();
      } else if(kind == MTB_RECORD_TAG) {
         RaiseTag(record.GetUInt());
      } else if(kind >= MTB_RECORD_INTENT && kind <= MTB_RECORD_ACKNOWLEDGED && record.GetId(command)) {
         RecallCommand(kind, command, instance, record);
      }
   }

   void RecallCommand(const int kind, const MtbId &command, MtbId &instance, CPackReader &record) {
      if(kind == MTB_RECORD_ACKNOWLEDGED) {
         RememberAcknowledged(command);
         return;
      }
      record.GetId(instance);
      if(kind == MTB_RECORD_INTENT) {
         ulong tag = record.GetUInt();
         long broker_time = record.GetInt();
         if(!record.Failed())
            RememberIntent(command, instance, tag, broker_time);
         return;
      }
      MtbEnded end;
      end.kind = record.GetSmall(255);
      end.reason = record.GetText();
      if(UnpackResult(record, end.result))
         RememberResult(command, instance, end);
   }

   void WriteIntent(CPackWriter &w, const MtbId &command, const MtbId &instance, const ulong tag, const long broker_time) const {
      w.Clear();
      w.PutArray(5);
      w.PutUInt(MTB_RECORD_INTENT);
      w.PutId(command);
      w.PutId(instance);
      w.PutUInt(tag);
      w.PutInt(broker_time);
   }

   void WriteResult(CPackWriter &w, const MtbId &command, const MtbId &instance, const MtbEnded &end) const {
      w.Clear();
      w.PutArray(6);
      w.PutUInt(MTB_RECORD_RESULT);
      w.PutId(command);
      w.PutId(instance);
      w.PutUInt((ulong)end.kind);
      w.PutText(end.reason);
      PackResult(w, end.result);
   }

   void WriteAcknowledged(CPackWriter &w, const MtbId &command) const {
      w.Clear();
      w.PutArray(2);
      w.PutUInt(MTB_RECORD_ACKNOWLEDGED);
      w.PutId(command);
   }

   void WriteLatch(CPackWriter &w) const {
      w.Clear();
      w.PutArray(3);
      w.PutUInt(MTB_RECORD_LATCH);
      w.PutUInt((ulong)m_latch);
      w.PutText(m_latch_reason);
   }

   void WriteNumber(CPackWriter &w, const int kind, const ulong number) const {
      w.Clear();
      w.PutArray(2);
      w.PutUInt((ulong)kind);
      w.PutUInt(number);
   }

   /// Writes one note to a new file of `size` bytes; returns the new size, -1 if it failed.
   int CopyNote(const int file, const int size, const int at) {
      CPackWriter w;
      int now = size;
      if(m_notes[at].intent) {
         WriteIntent(w, m_notes[at].command, m_notes[at].instance, m_notes[at].tag, m_notes[at].broker_time);
         now = m_file.CopyRecord(file, now, w);
      }
      if(m_notes[at].ended) {
         WriteResult(w, m_notes[at].command, m_notes[at].instance, m_notes[at].end);
         now = m_file.CopyRecord(file, now, w);
      }
      if(m_notes[at].acknowledged) {
         WriteAcknowledged(w, m_notes[at].command);
         now = m_file.CopyRecord(file, now, w);
      }
      return now;
   }

   void Forget() {
      m_map.Clear();
      ArrayResize(m_notes, 0);
      m_count = 0;
      m_free.Clear();
      m_order.Clear();
      m_acknowledged.Clear();
      m_highest_tag = 0;
      m_latch = 0;
      m_latch_reason = "";
      m_instances = 0;
      m_compact_size = 0;
      m_compact_us = 0;
   }

public:
   CJournal() {
      m_count = 0;
      m_highest_tag = 0;
      m_latch = 0;
      m_latch_reason = "";
      m_instances = 0;
      m_compact_size = 0;
      m_compact_us = 0;
   }

   bool IsOpen() const { return m_file.IsOpen(); }

   /// Opens the account's file and reads what earlier instances wrote. False: another chart has it open (`locked`), or it cannot be
   /// opened at all.
   bool Open(const ulong login, const string server, bool &locked) {
      Forget();
      ulong hash = MtbFnv1aName(MTB_FNV_START, server);
      string name = "MtBridge\\" + IntegerToString((long)login) + "-" + StringFormat("%08x", (uint)(hash & (ulong)0xFFFFFFFF)) + ".journal";
      if(!m_file.Open(name, locked))
         return false;
      CPackReader record;
      int records = 0;
      while(m_file.Next(record)) {
         Recall(record);
         records++;
      }
      if(m_file.IsTorn() || records > 8 * MTB_NOTES_MAX || m_file.Size() > MTB_JOURNAL_MAX)
         Compact();
      return m_file.IsOpen();
   }

   void Close() { m_file.Close(); }

   /// Whether the file has grown so long that it should be written anew. If that did not help, or did not work, it is not tried all the time.
   bool IsLong() const {
      if(m_file.Size() <= MTB_JOURNAL_MAX || m_file.Size() / 2 < m_compact_size)
         return false;
      return m_compact_us == 0 || GetMicrosecondCount() - m_compact_us > MTB_COMPACT_US;
   }

   /// Writes what is still known to a new file and puts it in place.
   void Compact() {
      m_compact_us = GetMicrosecondCount();
      int file = m_file.BeginCopy();
      if(file == INVALID_HANDLE)
         return;
      CPackWriter w;
      WriteLatch(w);
      int size = m_file.CopyRecord(file, 0, w);
      WriteNumber(w, MTB_RECORD_INSTANCE, m_instances);
      size = m_file.CopyRecord(file, size, w);
      WriteNumber(w, MTB_RECORD_TAG, m_highest_tag);
      size = m_file.CopyRecord(file, size, w);
      Straighten();
      int count = m_order.Count();
      for(int i = 0; i < count; i++) {
         ulong ref = m_order.Pop();
         m_order.Push(ref);
         size = CopyNote(file, size, (int)(ref & (ulong)0xFFFFFFFF));
      }
      if(m_file.Replace(file, size))
         m_compact_size = size;
   }

   /// Counts the instances of this account's EA, so that no two of them can draw the same bits. 0 if it cannot be written.
   ulong NextInstance() {
      CPackWriter w;
      WriteNumber(w, MTB_RECORD_INSTANCE, m_instances + 1);
      if(!m_file.Append(w))
         return 0;
      m_instances++;
      return m_instances;
   }

   /// Before ACCEPTED is sent. False means that the command must be refused.
   bool Intent(const MtbId &command, const MtbId &instance, const ulong tag, const long broker_time) {
      CPackWriter w;
      WriteIntent(w, command, instance, tag, broker_time);
      if(!m_file.Append(w))
         return false;
      RememberIntent(command, instance, tag, broker_time);
      return true;
   }

   /// Before the outcome is sent. What cannot be written is remembered all the same.
   bool Result(const MtbId &command, const MtbId &instance, const MtbEnded &end) {
      CPackWriter w;
      WriteResult(w, command, instance, end);
      bool good = m_file.Append(w);
      RememberResult(command, instance, end);
      return good;
   }

   /// The hub has it on its disk.
   bool Acknowledged(const MtbId &command) {
      int at = m_map.Find(command);
      if(at < 0 || m_notes[at].acknowledged)
         return true;
      CPackWriter w;
      WriteAcknowledged(w, command);
      RememberAcknowledged(command);
      return m_file.Append(w);
   }

   /// Whether the file says anything of a command, of whatever instance.
   bool Knows(const MtbId &command) const { return m_map.Find(command) >= 0; }

   /// How a command ended, as far as a RESULT tells. False if none does.
   bool Ended(const MtbId &command, MtbEnded &end) const {
      int at = m_map.Find(command);
      if(at < 0 || !m_notes[at].ended)
         return false;
      end = m_notes[at].end;
      return true;
   }

   /// The hub's kill switch as it last was: 0 is not latched.
   int Latch() const { return m_latch; }

   string LatchReason() const { return m_latch_reason; }

   /// Keeps the kill switch over restarts. It holds in memory even if it cannot be written.
   bool SetLatch(const int level, const string reason) {
      if(level == m_latch && reason == m_latch_reason)
         return true;
      m_latch = level;
      m_latch_reason = reason;
      CPackWriter w;
      WriteLatch(w);
      return m_file.Append(w);
   }

   /// The highest of the hub's tags in it; 0 if there is none.
   ulong HighestTag() const { return m_highest_tag; }

   /// The commands that the hub has not acknowledged, newest first, MTB_UNFINISHED_MAX at most. Returns how many.
   int Unfinished(MtbId &found[]) const {
      int count = 0;
      ArrayResize(found, m_map.Count());
      for(int i = 0; i < m_count; i++)
         if(m_notes[i].used && !m_notes[i].acknowledged)
            MtbIdSet(found[count++], m_notes[i].command);
      // Shell's sort: there are few, but for a hub that was long away.
      for(int gap = count / 2; gap > 0; gap /= 2) {
         for(int i = gap; i < count; i++) {
            MtbId moved = found[i];
            int at = i;
            while(at >= gap && MtbIdLess(found[at - gap], moved)) {
               found[at] = found[at - gap];
               at -= gap;
            }
            found[at] = moved;
         }
      }
      return count < MTB_UNFINISHED_MAX ? count : MTB_UNFINISHED_MAX;
   }
};

#endif
