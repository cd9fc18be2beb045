// error 199
int F(const string a) {
   return StringLen(a, 1); // <-
}
