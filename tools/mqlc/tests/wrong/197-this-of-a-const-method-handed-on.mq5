// error 202
class C;

class D {
public:
   static void Change(C &c);
};

class C {
   int m_a;

public:
   void Set(const int a) { m_a = a; }
   void F() const { D::Change(this); } // <-
};

void D::Change(C &c) { c.Set(1); }
