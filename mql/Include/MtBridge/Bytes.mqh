//+------------------------------------------------------------------+
//| Bytes.mqh: identifiers, checksums, hashes, UTF-8                 |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_BYTES_MQH
#define MTBRIDGE_BYTES_MQH

/// An identifier of 16 bytes, as two big-endian halves, so that comparing numbers compares bytes: a lower id is an older one.
struct MtbId {
   ulong hi;
   ulong lo;
};

/// A double and its bits in one place: the only way to them that both languages have.
union MtbDoubleBits {
   double value;
   ulong bits;
};

/// A float of 32 bits and its bits.
union MtbFloatBits {
   float value;
   uint bits;
};

/// Whether two ids are the same.
bool MtbIdEqual(const MtbId &a, const MtbId &b) {
   return a.hi == b.hi && a.lo == b.lo;
}

/// Whether `a` is older than `b`.
bool MtbIdLess(const MtbId &a, const MtbId &b) {
   if(a.hi != b.hi)
      return a.hi < b.hi;
   return a.lo < b.lo;
}

/// Whether it is all zero, which no real id is.
bool MtbIdIsZero(const MtbId &id) {
   return id.hi == 0 && id.lo == 0;
}

/// Makes it all zero.
void MtbIdClear(MtbId &id) {
   id.hi = 0;
   id.lo = 0;
}

/// Copies an id.
void MtbIdSet(MtbId &to, const MtbId &from) {
   to.hi = from.hi;
   to.lo = from.lo;
}

/// Eight bytes from `at`, the highest first.
ulong MtbGetBig64(const uchar &data[], const int at) {
   ulong value = 0;
   for(int i = 0; i < 8; i++)
      value = (value << 8) | (ulong)data[at + i];
   return value;
}

/// Writes eight bytes at `at`, the highest first. The array must be large enough.
void MtbPutBig64(uchar &data[], const int at, const ulong value) {
   for(int i = 0; i < 8; i++)
      data[at + i] = (uchar)((value >> (56 - 8 * i)) & 0xFF);
}

/// Four bytes from `at`, the lowest first.
uint MtbGetLittle32(const uchar &data[], const int at) {
   return (uint)data[at] | ((uint)data[at + 1] << 8) | ((uint)data[at + 2] << 16) | ((uint)data[at + 3] << 24);
}

/// Writes four bytes at `at`, the lowest first. The array must be large enough.
void MtbPutLittle32(uchar &data[], const int at, const uint value) {
   for(int i = 0; i < 4; i++)
      data[at + i] = (uchar)((value >> (8 * i)) & 0xFF);
}

/// Moves the bytes from `at` to `size` to the beginning, and returns how many they are. ArrayCopy() may not overlap.
int MtbMoveDown(uchar &data[], const int at, const int size) {
   if(at == 0)
      return size;
   for(int i = at; i < size; i++)
      data[i - at] = data[i];
   return size - at;
}

/// Reads an id of 16 bytes.
void MtbIdRead(const uchar &data[], const int at, MtbId &id) {
   id.hi = MtbGetBig64(data, at);
   id.lo = MtbGetBig64(data, at + 8);
}

/// An id in hexadecimal digits, for people and logs.
string MtbIdText(const MtbId &id) {
   return StringFormat("%08x%08x%08x%08x", (uint)(id.hi >> 32), (uint)(id.hi & (ulong)0xFFFFFFFF), (uint)(id.lo >> 32),
                       (uint)(id.lo & (ulong)0xFFFFFFFF));
}

/// A command's id as the hub shows it: a ULID in 26 Crockford digits of five bits.
string MtbCommandText(const MtbId &id) {
   string text = "cmd_";
   for(int shift = 125; shift >= 0; shift -= 5) {
      ulong bits = shift >= 64 ? id.hi >> (shift - 64) : id.lo >> shift;
      if(shift == 60)
         bits |= id.hi << 4;
      text += StringSubstr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", (int)(bits & 31), 1);
   }
   return text;
}

/// CRC-32 (IEEE 802.3) of `count` bytes from `from`: finds the torn last record of a file. Four bits a step, so that the table is short.
uint MtbCrc32(const uchar &data[], const int from, const int count) {
   uint table[16];
   for(int i = 0; i < 16; i++) {
      uint entry = (uint)i;
      for(int bit = 0; bit < 4; bit++)
         entry = (entry & 1) != 0 ? (entry >> 1) ^ (uint)0xEDB88320 : entry >> 1;
      table[i] = entry;
   }
   uint crc = (uint)0xFFFFFFFF;
   for(int at = from; at < from + count; at++) {
      crc ^= (uint)data[at];
      crc = (crc >> 4) ^ table[(int)(crc & 15)];
      crc = (crc >> 4) ^ table[(int)(crc & 15)];
   }
   return crc ^ (uint)0xFFFFFFFF;
}

/// Where FNV-1a 64 begins.
#define MTB_FNV_START ((ulong)0xCBF29CE484222325)

/// FNV-1a 64 over `count` bytes, going on from `hash`.
ulong MtbFnv1a(const ulong hash, const uchar &data[], const int from, const int count) {
   ulong value = hash;
   for(int at = from; at < from + count; at++) {
      value ^= (ulong)data[at];
      value *= (ulong)0x00000100000001B3;
   }
   return value;
}

/// Text without spaces and the like at both ends. StringTrimLeft() changes its argument in MQL5 and returns the result in MQL4.
string MtbTrim(const string text) {
   int from = 0;
   int end = StringLen(text);
   while(from < end && StringGetCharacter(text, from) <= 32)
      from++;
   while(end > from && StringGetCharacter(text, end - 1) <= 32)
      end--;
   // A length of 0 means "to the end" in MQL4.
   return end > from ? StringSubstr(text, from, end - from) : "";
}

/// Text as UTF-8 without a terminating zero. Returns the number of bytes; `bytes` may be longer than that.
int MtbToUtf8(const string text, uchar &bytes[]) {
   if(StringLen(text) == 0)
      return 0;
   int count = StringToCharArray(text, bytes, 0, WHOLE_ARRAY, CP_UTF8);
   // The terminating zero is copied and counted.
   while(count > 0 && bytes[count - 1] == 0)
      count--;
   return count;
}

/// UTF-8 as text. Bytes that are no UTF-8 become replacement characters.
string MtbFromUtf8(const uchar &bytes[], const int from, const int count) {
   return count > 0 ? CharArrayToString(bytes, from, count, CP_UTF8) : "";
}

/// Length of the UTF-8 sequence that begins at `at`, judged by RFC 3629 (no overlong form, no surrogate, nothing above U+10FFFF);
/// 0 if there is none before `end`.
int MtbUtf8Step(const uchar &bytes[], const int at, const int end) {
   int first = (int)bytes[at];
   if(first < 0x80)
      return 1;
   int length = first < 0xC2 ? 0 : (first < 0xE0 ? 2 : (first < 0xF0 ? 3 : (first < 0xF5 ? 4 : 0)));
   if(length == 0 || at + length > end)
      return 0;
   for(int i = 1; i < length; i++)
      if(((int)bytes[at + i] & 0xC0) != 0x80)
         return 0;
   int second = (int)bytes[at + 1];
   if((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F))
      return 0;
   if((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
      return 0;
   return length;
}

/// Whether `count` bytes from `from` are UTF-8.
bool MtbIsUtf8(const uchar &bytes[], const int from, const int count) {
   int at = from;
   while(at < from + count) {
      int step = MtbUtf8Step(bytes, at, from + count);
      if(step == 0)
         return false;
      at += step;
   }
   return true;
}

/// FNV-1a 64 over a name in UTF-8 and a zero byte after it, going on from `hash`: the digest of Hello.
ulong MtbFnv1aName(const ulong hash, const string name) {
   uchar bytes[];
   int count = MtbToUtf8(name, bytes);
   ulong value = MtbFnv1a(hash, bytes, 0, count);
   value *= (ulong)0x00000100000001B3;
   return value;
}

#endif
