// error 198
int F(const int a) {
   return a / 0; // <-
}
