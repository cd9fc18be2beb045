// error 279
class C {
   int m_a;

public:
   void Set() { m_a = 1; }
};

void F(const C &c) {
   c.Set(); // <-
}
