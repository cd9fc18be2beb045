// error 262
long F(const int property) {
   return AccountInfoInteger(property); // <-
}
