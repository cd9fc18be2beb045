//+------------------------------------------------------------------+
//| MsgPack.mqh: writing and reading MessagePack                     |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_MSGPACK_MQH
#define MTBRIDGE_MSGPACK_MQH

#include <MtBridge\Bytes.mqh>

/// So deep may arrays be nested in a message that is read.
#define MTB_PACK_DEPTH 16

/// Writes MessagePack into a growing buffer, each value in its shortest form. `m_data` may be longer than `Size()`.
class CPackWriter {
public:
   uchar m_data[];

private:
   int m_size;

   void Grow(const int more) {
      int needed = m_size + more;
      int have = ArraySize(m_data);
      if(needed > have)
         ArrayResize(m_data, needed < 256 ? 256 : needed * 2);
   }

   void Byte(const int value) {
      Grow(1);
      m_data[m_size++] = (uchar)(value & 0xFF);
   }

   /// A leading byte and the lowest `bytes` bytes of a number, the highest first.
   void Tagged(const int lead, const ulong value, const int bytes) {
      Grow(1 + bytes);
      m_data[m_size++] = (uchar)(lead & 0xFF);
      for(int i = bytes - 1; i >= 0; i--)
         m_data[m_size++] = (uchar)((value >> (8 * i)) & 0xFF);
   }

   /// The head of a text or a block of bytes.
   void Head(const int short_lead, const int count) {
      if(count < 256)
         Tagged(short_lead, (ulong)count, 1);
      else if(count < 65536)
         Tagged(short_lead + 1, (ulong)count, 2);
      else
         Tagged(short_lead + 2, (ulong)count, 4);
   }

public:
   CPackWriter() { m_size = 0; }

   /// How many bytes are written.
   int Size() const { return m_size; }

   /// Begins anew; the buffer is kept.
   void Clear() { m_size = 0; }

   /// An array of `count` elements, which must follow.
   void PutArray(const int count) {
      if(count < 16)
         Byte(0x90 | count);
      else if(count < 65536)
         Tagged(0xDC, (ulong)count, 2);
      else
         Tagged(0xDD, (ulong)count, 4);
   }

   void PutNil() { Byte(0xC0); }

   void PutBool(const bool value) { Byte(value ? 0xC3 : 0xC2); }

   void PutUInt(const ulong value) {
      if(value < 0x80)
         Byte((int)value);
      else if(value <= 0xFF)
         Tagged(0xCC, value, 1);
      else if(value <= 0xFFFF)
         Tagged(0xCD, value, 2);
      else if(value <= (ulong)0xFFFFFFFF)
         Tagged(0xCE, value, 4);
      else
         Tagged(0xCF, value, 8);
   }

   void PutInt(const long value) {
      if(value >= 0)
         PutUInt((ulong)value);
      else if(value >= -32)
         Byte((int)(value + 256));
      else if(value >= -128)
         Tagged(0xD0, (ulong)value, 1);
      else if(value >= -32768)
         Tagged(0xD1, (ulong)value, 2);
      else if(value >= (long)INT_MIN)
         Tagged(0xD2, (ulong)value, 4);
      else
         Tagged(0xD3, (ulong)value, 8);
   }

   void PutDouble(const double value) {
      MtbDoubleBits both;
      both.value = value;
      Tagged(0xCB, both.bits, 8);
   }

   void PutText(const string text) {
      uchar bytes[];
      int count = MtbToUtf8(text, bytes);
      if(count < 32)
         Byte(0xA0 | count);
      else
         Head(0xD9, count);
      PutRaw(bytes, 0, count);
   }

   void PutBin(const uchar &data[], const int from, const int count) {
      Head(0xC4, count);
      PutRaw(data, from, count);
   }

   /// An id of 16 bytes.
   void PutId(const MtbId &id) {
      Head(0xC4, 16);
      Grow(16);
      MtbPutBig64(m_data, m_size, id.hi);
      MtbPutBig64(m_data, m_size + 8, id.lo);
      m_size += 16;
   }

   /// Bytes that are MessagePack already, or the inside of a block.
   void PutRaw(const uchar &data[], const int from, const int count) {
      if(count <= 0)
         return;
      Grow(count);
      ArrayCopy(m_data, data, m_size, from, count);
      m_size += count;
   }
};

/// Reads one MessagePack value. Any error is remembered and makes all that follows 0, false or "": ask `Failed()` at the end.
/// Elements that are missing at the end of an array are 0, false or "" too, and no error; elements that are left over are skipped.
class CPackReader {
private:
   uchar m_data[];
   int m_at;
   int m_end;
   bool m_failed;
   /// How many elements of each open array are still to come.
   int m_left[MTB_PACK_DEPTH];
   int m_depth;

   void Fail() { m_failed = true; }

   /// Whether another value can be taken here; counts it.
   bool Take() {
      if(m_failed)
         return false;
      if(m_depth > 0) {
         if(m_left[m_depth - 1] <= 0)
            return false;
         m_left[m_depth - 1]--;
      }
      if(m_at >= m_end) {
         Fail();
         return false;
      }
      return true;
   }

   /// A big-endian number of so many bytes.
   ulong Number(const int bytes) {
      if(m_end - m_at < bytes) {
         Fail();
         return 0;
      }
      ulong value = 0;
      for(int i = 0; i < bytes; i++)
         value = (value << 8) | (ulong)m_data[m_at++];
      return value;
   }

   /// An integer after its leading byte. `negative` tells that `value` is to be read as a signed number below zero.
   bool Integer(const int lead, ulong &value, bool &negative) {
      negative = false;
      value = 0;
      if(lead < 0x80) {
         value = (ulong)lead;
      } else if(lead >= 0xE0) {
         value = (ulong)(long)(lead - 256);
         negative = true;
      } else if(lead >= 0xCC && lead <= 0xCF) {
         value = Number(1 << (lead - 0xCC));
      } else if(lead >= 0xD0 && lead <= 0xD3) {
         int bytes = 1 << (lead - 0xD0);
         value = Number(bytes);
         negative = ((value >> (8 * bytes - 1)) & 1) != 0;
         if(negative && bytes < 8)
            value |= ~(ulong)0 << (8 * bytes);
      } else {
         return false;
      }
      return !m_failed;
   }

   /// A length of so many bytes, which may not go beyond the end.
   int Length(const int bytes) {
      ulong length = Number(bytes);
      if(m_failed || length > (ulong)(m_end - m_at)) {
         Fail();
         return 0;
      }
      return (int)length;
   }

   /// Takes one value's head, passes over what has no elements, and returns how many values follow inside of it.
   int SkipHead() {
      if(m_at >= m_end) {
         Fail();
         return 0;
      }
      int lead = (int)m_data[m_at++];
      if(lead < 0x80 || lead >= 0xE0 || lead == 0xC0 || lead == 0xC2 || lead == 0xC3)
         return 0;
      if(lead < 0x90)
         return 2 * (lead & 15);
      if(lead < 0xA0)
         return lead & 15;
      if(lead >= 0xDC)
         return (lead >= 0xDE ? 2 : 1) * Length((lead & 1) == 0 ? 2 : 4);
      int pass = 0;
      if(lead < 0xC0)
         pass = lead & 31;
      else if(lead >= 0xC4 && lead <= 0xC6)
         pass = Length(1 << (lead - 0xC4));
      else if(lead >= 0xC7 && lead <= 0xC9)
         pass = 1 + Length(1 << (lead - 0xC7));
      else if(lead == 0xCA || lead == 0xCB)
         pass = lead == 0xCA ? 4 : 8;
      else if(lead >= 0xCC && lead <= 0xD3)
         pass = 1 << ((lead - 0xCC) & 3);
      else if(lead >= 0xD4 && lead <= 0xD8)
         pass = 1 + (1 << (lead - 0xD4));
      else if(lead >= 0xD9 && lead <= 0xDB)
         pass = Length(1 << (lead - 0xD9));
      else
         Fail();
      if(pass > m_end - m_at)
         Fail();
      else
         m_at += pass;
      return 0;
   }

   /// Passes over `count` values with all that is in them.
   void SkipValues(const int count) {
      long open = count;
      while(open > 0 && !m_failed)
         open += (long)SkipHead() - 1;
   }

   /// Takes the head of a block of bytes or a text; -1 if there is none.
   int BlockLength(const bool text) {
      if(!Take())
         return -1;
      int lead = (int)m_data[m_at++];
      int length = -1;
      if(text && lead >= 0xA0 && lead < 0xC0)
         length = lead & 31;
      else if(text && lead >= 0xD9 && lead <= 0xDB)
         length = Length(1 << (lead - 0xD9));
      else if(!text && lead >= 0xC4 && lead <= 0xC6)
         length = Length(1 << (lead - 0xC4));
      if(length < 0 || length > m_end - m_at)
         Fail();
      return m_failed ? -1 : length;
   }

public:
   CPackReader() {
      m_at = 0;
      m_end = 0;
      m_failed = true;
      m_depth = 0;
   }

   /// Reads these bytes from now on. They are copied, because an object cannot keep a reference to an array.
   bool Attach(const uchar &data[], const int from, const int count) {
      m_at = 0;
      m_depth = 0;
      m_end = count;
      m_failed = count <= 0;
      if(count > ArraySize(m_data))
         ArrayResize(m_data, count);
      if(count > 0 && ArrayCopy(m_data, data, 0, from, count) != count)
         m_failed = true;
      return !m_failed;
   }

   /// Whether anything was not what was asked for.
   bool Failed() const { return m_failed; }

   /// Opens an array: its number of elements, -1 on an error, 0 where the element is missing.
   int Enter() {
      if(m_depth >= MTB_PACK_DEPTH) {
         Fail();
         return -1;
      }
      if(!Take()) {
         if(m_failed)
            return -1;
         // A missing record is one whose fields are all missing.
         m_left[m_depth++] = 0;
         return 0;
      }
      int lead = (int)m_data[m_at++];
      int count = -1;
      if(lead >= 0x90 && lead < 0xA0)
         count = lead & 15;
      else if(lead == 0xDC || lead == 0xDD)
         count = Length(lead == 0xDC ? 2 : 4);
      // Each element has a byte at least.
      if(count < 0 || m_failed || count > m_end - m_at) {
         Fail();
         return -1;
      }
      m_left[m_depth++] = count;
      return count;
   }

   /// Closes the array that was opened last, and skips what is left of it.
   void Leave() {
      if(m_depth <= 0) {
         Fail();
         return;
      }
      m_depth--;
      SkipValues(m_left[m_depth]);
   }

   /// Whether the array that is open has no element left.
   bool Missing() const { return m_depth > 0 && m_left[m_depth - 1] <= 0; }

   /// Whether every byte was read.
   bool AtEnd() const { return m_at == m_end; }

   bool GetBool() {
      if(!Take())
         return false;
      int lead = (int)m_data[m_at++];
      if(lead != 0xC2 && lead != 0xC3)
         Fail();
      return lead == 0xC3;
   }

   long GetInt() {
      if(!Take())
         return 0;
      ulong value = 0;
      bool negative = false;
      if(!Integer((int)m_data[m_at++], value, negative) || (!negative && (value >> 63) != 0)) {
         Fail();
         return 0;
      }
      return (long)value;
   }

   ulong GetUInt() {
      if(!Take())
         return 0;
      ulong value = 0;
      bool negative = false;
      if(!Integer((int)m_data[m_at++], value, negative) || negative) {
         Fail();
         return 0;
      }
      return value;
   }

   /// An integer from 0 to `most`; anything else is an error.
   int GetSmall(const int most) {
      ulong value = GetUInt();
      if(value > (ulong)most) {
         Fail();
         return 0;
      }
      return (int)value;
   }

   double GetDouble() {
      if(!Take())
         return 0.0;
      int lead = (int)m_data[m_at++];
      if(lead == 0xCB) {
         MtbDoubleBits whole;
         whole.bits = Number(8);
         return m_failed ? 0.0 : whole.value;
      }
      if(lead == 0xCA) {
         MtbFloatBits half;
         half.bits = (uint)Number(4);
         return m_failed ? 0.0 : (double)half.value;
      }
      ulong value = 0;
      bool negative = false;
      if(!Integer(lead, value, negative)) {
         Fail();
         return 0.0;
      }
      return negative ? (double)(long)value : (double)value;
   }

   string GetText() {
      int length = BlockLength(true);
      if(length <= 0)
         return "";
      string text = MtbFromUtf8(m_data, m_at, length);
      if(!MtbIsUtf8(m_data, m_at, length)) {
         Fail();
         return "";
      }
      m_at += length;
      return text;
   }

   /// Copies a block of bytes; returns its length, -1 on an error and where it is missing.
   int GetBin(uchar &out[]) {
      int length = BlockLength(false);
      ArrayResize(out, length > 0 ? length : 0);
      if(length > 0) {
         ArrayCopy(out, m_data, 0, m_at, length);
         m_at += length;
      }
      return length;
   }

   /// An id: a block of exactly 16 bytes. False and all zero if it is missing or anything else, which is an error.
   bool GetId(MtbId &id) {
      id.hi = 0;
      id.lo = 0;
      int length = BlockLength(false);
      if(length != 16) {
         Fail();
         return false;
      }
      MtbIdRead(m_data, m_at, id);
      m_at += 16;
      return true;
   }

   /// True, and the element is passed, if it is nil or missing.
   bool GetNil() {
      if(m_failed || Missing())
         return true;
      if(m_at >= m_end || m_data[m_at] != 0xC0)
         return false;
      return Take() && m_data[m_at++] == 0xC0;
   }

   /// Passes over one value, whatever it is.
   void Skip() {
      if(Take())
         SkipValues(1);
   }
};

#endif
