// error 154
class C {
public:
   int m_a;
};

int F(C *c) {
   return c->m_a; // <-
}
