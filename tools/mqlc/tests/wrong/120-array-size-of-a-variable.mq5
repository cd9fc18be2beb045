// error 188
int F(const int n) {
   int a[n]; // <-
   return ArraySize(a);
}
