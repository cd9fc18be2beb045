// error 180
int F(const string a) {
   int b = a; // <-
   return b;
}
