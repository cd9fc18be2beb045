//+------------------------------------------------------------------+
//| IdMap.mqh: a hash table from an id to a number                   |
//+------------------------------------------------------------------+
#ifndef MTBRIDGE_IDMAP_MQH
#define MTBRIDGE_IDMAP_MQH

#include <MtBridge\Bytes.mqh>

/// Ids to numbers from 0, by open addressing. Entries that are taken out leave no holes, so it never gets slower over days.
class CIdMap {
private:
   MtbId m_keys[];
   /// One more than the number, 0 where the cell is free.
   int m_values[];
   int m_count;
   int m_mask;

   /// The cell at which the search for an id begins.
   int Home(const MtbId &id) const {
      ulong mixed = (id.hi ^ (id.lo >> 29) ^ (id.lo << 17)) * (ulong)0x9E3779B97F4A7C15;
      return (int)((mixed >> 33) & (ulong)m_mask);
   }

   /// The cell of an id, or the free one where it belongs.
   int Cell(const MtbId &id) const {
      int at = Home(id);
      while(m_values[at] != 0 && !MtbIdEqual(m_keys[at], id))
         at = (at + 1) & m_mask;
      return at;
   }

   void Resize(const int cells) {
      MtbId keys[];
      int values[];
      int old = ArraySize(m_values);
      ArrayResize(keys, old);
      ArrayResize(values, old);
      for(int i = 0; i < old; i++) {
         keys[i] = m_keys[i];
         values[i] = m_values[i];
      }
      ArrayResize(m_keys, cells);
      ArrayResize(m_values, cells);
      for(int i = 0; i < cells; i++)
         m_values[i] = 0;
      m_mask = cells - 1;
      for(int i = 0; i < old; i++) {
         if(values[i] == 0)
            continue;
         int at = Cell(keys[i]);
         m_keys[at] = keys[i];
         m_values[at] = values[i];
      }
   }

public:
   CIdMap() {
      m_count = 0;
      m_mask = 0;
      Resize(64);
   }

   int Count() const { return m_count; }

   void Clear() {
      for(int i = 0; i <= m_mask; i++)
         m_values[i] = 0;
      m_count = 0;
   }

   /// The number of an id, -1 if it is not in the table.
   int Find(const MtbId &id) const { return m_values[Cell(id)] - 1; }

   /// Puts an id in, or gives it another number.
   void Put(const MtbId &id, const int number) {
      if(2 * (m_count + 1) > m_mask + 1)
         Resize(2 * (m_mask + 1));
      int at = Cell(id);
      if(m_values[at] == 0)
         m_count++;
      m_keys[at] = id;
      m_values[at] = number + 1;
   }

   /// Takes an id out.
   void Remove(const MtbId &id) {
      int hole = Cell(id);
      if(m_values[hole] == 0)
         return;
      m_count--;
      // What comes behind moves up, unless it would get before its home.
      int at = hole;
      while(true) {
         at = (at + 1) & m_mask;
         if(m_values[at] == 0)
            break;
         int home = Home(m_keys[at]);
         if(((at - home) & m_mask) >= ((at - hole) & m_mask)) {
            m_keys[hole] = m_keys[at];
            m_values[hole] = m_values[at];
            hole = at;
         }
      }
      m_values[hole] = 0;
   }
};

#endif
