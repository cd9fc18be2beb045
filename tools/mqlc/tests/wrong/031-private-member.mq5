// error 211
class C {
private:
   int m_a;
};

int F() {
   C c;
   return c.m_a; // <-
}
