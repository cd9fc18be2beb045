// error 351
class C {
   int m_a;

public:
   static int F() { return m_a; } // <-
};
