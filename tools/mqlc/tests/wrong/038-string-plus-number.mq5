// error 181
string F(const int a) {
   return "a" + a; // <-
}
