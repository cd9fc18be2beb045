//+------------------------------------------------------------------+
//| Random.mqh: random bytes                                         |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_RANDOM_MQH
#define MTBRIDGE_RANDOM_MQH

#include <MtBridge\Bytes.mqh>

/// Random bytes for instances, masks and waits. MathRand() alone has 15 bits and a guessable start, so a pool is hashed (SHA-256) over
/// and over, into which secrets, clocks and names of this machine are stirred.
class CRandom {
private:
   uchar m_pool[32];
   uchar m_ready[32];
   int m_left;
   ulong m_count;

   /// Hashes the pool with `more` bytes, a counter, a clock and a domain into `out`.
   void Hash(const uchar &more[], const int count, const int domain, uchar &out[]) {
      uchar data[];
      uchar key[];
      uchar digest[];
      ArrayResize(data, 57 + count);
      for(int i = 0; i < 32; i++)
         data[i] = m_pool[i];
      MtbPutBig64(data, 32, ++m_count);
      MtbPutBig64(data, 40, GetMicrosecondCount());
      MtbPutBig64(data, 48, (ulong)MathRand());
      data[56] = (uchar)domain;
      for(int i = 0; i < count; i++)
         data[57 + i] = more[i];
      int got = CryptEncode(CRYPT_HASH_SHA256, data, key, digest);
      for(int i = 0; i < 32; i++)
         out[i] = got >= 32 ? digest[i] : (uchar)((out[i] ^ data[i % ArraySize(data)] ^ (uchar)(MathRand() & 0xFF)) & 0xFF);
   }

public:
   CRandom() {
      m_left = 0;
      m_count = 0;
      for(int i = 0; i < 32; i++) {
         m_pool[i] = 0;
         m_ready[i] = 0;
      }
   }

   /// Mixes a text into the pool.
   void Stir(const string text) {
      uchar bytes[];
      int count = MtbToUtf8(text, bytes);
      Hash(bytes, count, 1, m_pool);
      m_left = 0;
   }

   /// One byte.
   int Next() {
      if(m_left == 0) {
         uchar nothing[];
         Hash(nothing, 0, 2, m_ready);
         // The pool moves on, so that what was drawn cannot be worked out from it later.
         Hash(nothing, 0, 3, m_pool);
         m_left = 32;
      }
      m_left--;
      return (int)m_ready[m_left];
   }

   /// Eight bytes as a number.
   ulong Next64() {
      ulong value = 0;
      for(int i = 0; i < 8; i++)
         value = (value << 8) | (ulong)Next();
      return value;
   }

   /// A number from 0 to below 1.
   double Dice() { return (double)(Next64() >> 11) / 9007199254740992.0; }
};

#endif
