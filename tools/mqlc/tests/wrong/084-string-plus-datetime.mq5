// error 181
string F() {
   return "at " + TimeCurrent(); // <-
}
