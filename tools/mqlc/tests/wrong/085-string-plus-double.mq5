// error 181
string F(const double a) {
   return a + " lots"; // <-
}
