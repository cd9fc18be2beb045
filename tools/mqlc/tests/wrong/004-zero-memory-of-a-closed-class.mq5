// error 226
class C {
protected:
   int m_a;
};

void F() {
   C c;
   ZeroMemory(c); // <-
}
