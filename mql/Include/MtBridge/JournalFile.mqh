//+------------------------------------------------------------------+
//| JournalFile.mqh: a file of records that survives a crash         |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_JOURNALFILE_MQH
#define MTBRIDGE_JOURNALFILE_MQH

#include <MtBridge\MsgPack.mqh>

/// A record may be so long, bytes.
#define MTB_RECORD_MAX 65536

/// Records one after the other, each with its length (4 bytes), its CRC-32 (4 bytes) and then MessagePack. What follows the last whole
/// record is a torn write and is not read. While it is open nobody else can open it.
class CJournalFile {
private:
   string m_name;
   int m_lock;
   int m_file;
   int m_size;
   uchar m_data[];
   int m_at;
   int m_end;
   bool m_torn;

   /// Puts the file in place of which a crash may have left only the new half.
   void Mend() {
      if(!FileIsExist(m_name) && FileIsExist(m_name + ".new"))
         FileMove(m_name + ".new", 0, m_name, FILE_REWRITE);
      else if(FileIsExist(m_name + ".new"))
         FileDelete(m_name + ".new");
   }

   /// Keeps the file as it was read, for people: what follows the last whole record is about to be dropped.
   void KeepBad() const {
      int file = FileOpen(m_name + ".bad", FILE_WRITE | FILE_BIN);
      if(file == INVALID_HANDLE)
         return;
      uint written = FileWriteArray(file, m_data, 0, m_end);
      FileClose(file);
      Print("MtBridge: the journal file ends in the middle of a record; as it was it is kept as ", m_name, ".bad (", written, " bytes)");
   }

   int OpenFile(const string name) const { return FileOpen(name, FILE_READ | FILE_WRITE | FILE_BIN | FILE_SHARE_READ); }

   /// Writes one record where the last good one ended. A write that failed is written over by the next.
   bool WriteTo(const int file, const int at, const CPackWriter &record) {
      int size = record.Size();
      uchar bytes[];
      ArrayResize(bytes, size + 8);
      ArrayCopy(bytes, record.m_data, 8, 0, size);
      MtbPutLittle32(bytes, 0, (uint)size);
      MtbPutLittle32(bytes, 4, MtbCrc32(bytes, 8, size));
      ResetLastError();
      if(!FileSeek(file, at, SEEK_SET))
         return false;
      return (int)FileWriteArray(file, bytes, 0, size + 8) == size + 8;
   }

   /// Makes what was written reach the system. False if it did not.
   bool Flushed(const int file, const int size) const {
      FileFlush(file);
      return GetLastError() == 0 && (long)FileSize(file) >= (long)size;
   }

public:
   CJournalFile() {
      m_lock = INVALID_HANDLE;
      m_file = INVALID_HANDLE;
      m_size = 0;
      m_at = 0;
      m_end = 0;
      m_torn = false;
   }

   ~CJournalFile() { Close(); }

   bool IsOpen() const { return m_file != INVALID_HANDLE; }

   /// Length of the good part, bytes.
   int Size() const { return m_size; }

   /// Whether the end was torn.
   bool IsTorn() const { return m_torn; }

   /// Opens and reads it. False: it is open elsewhere (`locked`), or cannot be opened.
   bool Open(const string name, bool &locked) {
      Close();
      m_name = name;
      locked = false;
      m_lock = FileOpen(name + ".lock", FILE_READ | FILE_WRITE | FILE_BIN);
      if(m_lock == INVALID_HANDLE) {
         locked = FileIsExist(name + ".lock");
         return false;
      }
      Mend();
      m_file = OpenFile(name);
      if(m_file == INVALID_HANDLE) {
         Close();
         return false;
      }
      m_end = (int)FileSize(m_file);
      if(m_end > 0) {
         ArrayResize(m_data, m_end);
         // Less than all of it would be taken for a torn end, and what follows would be written over.
         if((int)FileReadArray(m_file, m_data, 0, m_end) != m_end) {
            Close();
            return false;
         }
      }
      // A flush is due between reading and writing.
      FileFlush(m_file);
      m_at = 0;
      m_size = 0;
      m_torn = false;
      return true;
   }

   /// The next record of the file as it was when it was opened. False at the end.
   bool Next(CPackReader &record) {
      if(m_at >= m_end) {
         ArrayResize(m_data, 0);
         m_end = 0;
         return false;
      }
      long size = m_end - m_at < 8 ? -1 : (long)MtbGetLittle32(m_data, m_at);
      m_torn = size < 1 || size > MTB_RECORD_MAX || size > (long)(m_end - m_at - 8);
      if(!m_torn)
         m_torn = MtbCrc32(m_data, m_at + 8, (int)size) != MtbGetLittle32(m_data, m_at + 4);
      if(m_torn || !record.Attach(m_data, m_at + 8, (int)size)) {
         m_torn = true;
         KeepBad();
         m_at = m_end;
         return Next(record);
      }
      m_at += 8 + (int)size;
      m_size = m_at;
      return true;
   }

   /// Appends a record; it is with the system when this returns true. A process that crashes does not lose it then.
   bool Append(const CPackWriter &record) {
      if(m_file == INVALID_HANDLE || record.Size() > MTB_RECORD_MAX)
         return false;
      int size = m_size + 8 + record.Size();
      if(!WriteTo(m_file, m_size, record) || !Flushed(m_file, size))
         return false;
      m_size = size;
      return true;
   }

   /// Begins a new file, which takes the place of this one at Replace().
   int BeginCopy() const {
      FileDelete(m_name + ".new");
      return OpenFile(m_name + ".new");
   }

   /// Appends a record to a new file of `size` bytes, without making it durable. Returns the new size, -1 if it failed.
   int CopyRecord(const int file, const int size, const CPackWriter &record) {
      return size >= 0 && WriteTo(file, size, record) ? size + 8 + record.Size() : -1;
   }

   /// Puts a new file of `size` bytes in place. False: the old one is in use again, if it can be; else the journal is not open any more,
   /// and Open() mends what there is.
   bool Replace(const int file, const int size) {
      ResetLastError();
      bool good = size >= 0 && Flushed(file, size);
      FileClose(file);
      if(!good) {
         FileDelete(m_name + ".new");
         return false;
      }
      FileClose(m_file);
      m_file = INVALID_HANDLE;
      good = FileMove(m_name + ".new", 0, m_name, FILE_REWRITE);
      // With the old file gone the new one is all there is, and opening the old name would put an empty file before it.
      if(!FileIsExist(m_name))
         return false;
      if(!good)
         FileDelete(m_name + ".new");
      int expected = good ? size : m_size;
      m_file = OpenFile(m_name);
      if(m_file != INVALID_HANDLE && (long)FileSize(m_file) < (long)expected) {
         FileClose(m_file);
         m_file = INVALID_HANDLE;
      }
      if(m_file == INVALID_HANDLE)
         return false;
      m_size = expected;
      if(good)
         m_torn = false;
      return good;
   }

   void Close() {
      if(m_file != INVALID_HANDLE)
         FileClose(m_file);
      if(m_lock != INVALID_HANDLE)
         FileClose(m_lock);
      m_file = INVALID_HANDLE;
      m_lock = INVALID_HANDLE;
      m_size = 0;
   }
};

#endif
