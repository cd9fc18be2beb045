// error 241
int F(const int a) {
   return a[0]; // <-
}
