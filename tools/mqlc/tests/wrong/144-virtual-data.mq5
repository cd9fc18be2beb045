// error 263
class C {
   virtual int m_a; // <-
};
