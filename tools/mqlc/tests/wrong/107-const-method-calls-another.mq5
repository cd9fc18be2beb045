// error 279
class C {
   int m_a;
   void Set() { m_a = 1; }

public:
   void F() const { Set(); } // <-
};
