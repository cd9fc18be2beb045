// warning 72
class C {
   int m_a;

public:
   int F(const int m_a) { return m_a; } // <-
};
