// error 376
int F(const int a, const int a) { // <-
   return a;
}
