// error 204
class C {
protected:
   int m_a;
};

int F() {
   C c;
   return c.m_a; // <-
}
