// error 180
bool F(const string a) {
   return !a; // <-
}
