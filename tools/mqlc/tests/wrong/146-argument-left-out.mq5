// error 291
int F(const string a) {
   return StringFind(a, , 1); // <-
}
