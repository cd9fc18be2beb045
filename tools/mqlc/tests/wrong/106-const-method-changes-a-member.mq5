// error 274
class C {
   int m_a;

public:
   void F() const { m_a = 1; } // <-
};
