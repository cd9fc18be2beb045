// error 398
interface I {
   int m_a; // <-
};
