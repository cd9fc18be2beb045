// error 181
string F() {
   string a = 5; // <-
   return a;
}
