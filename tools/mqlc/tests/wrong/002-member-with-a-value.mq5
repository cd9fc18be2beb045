// error 219
class C {
   int m_a = 1; // <-
};
