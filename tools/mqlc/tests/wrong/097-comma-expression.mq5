// error 154
int F(const int a) {
   return a, 1; // <-
}
