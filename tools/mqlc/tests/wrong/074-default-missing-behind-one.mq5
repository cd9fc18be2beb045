// error 277
int F(const int a = 1, const int b) { // <-
   return a + b;
}
