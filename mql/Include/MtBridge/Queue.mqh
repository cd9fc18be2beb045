//+------------------------------------------------------------------+
//| Queue.mqh: first in, first out                                   |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_QUEUE_MQH
#define MTBRIDGE_QUEUE_MQH

/// A queue of numbers in a ring that grows by doubling.
class CQueue {
private:
   ulong m_ring[];
   int m_first;
   int m_count;

   void Grow() {
      int have = ArraySize(m_ring);
      ulong wider[];
      ArrayResize(wider, have == 0 ? 16 : have * 2);
      for(int i = 0; i < m_count; i++)
         wider[i] = m_ring[(m_first + i) % have];
      ArrayResize(m_ring, ArraySize(wider));
      ArrayCopy(m_ring, wider, 0, 0, m_count);
      m_first = 0;
   }

public:
   CQueue() {
      m_first = 0;
      m_count = 0;
   }

   int Count() const { return m_count; }

   void Clear() {
      m_first = 0;
      m_count = 0;
   }

   void Push(const ulong value) {
      if(m_count == ArraySize(m_ring))
         Grow();
      m_ring[(m_first + m_count) % ArraySize(m_ring)] = value;
      m_count++;
   }

   /// The oldest; 0 if there is none.
   ulong Front() const { return m_count > 0 ? m_ring[m_first] : 0; }

   /// Takes the oldest out; 0 if there is none.
   ulong Pop() {
      if(m_count == 0)
         return 0;
      ulong value = m_ring[m_first];
      m_first = (m_first + 1) % ArraySize(m_ring);
      m_count--;
      return value;
   }
};

#endif
