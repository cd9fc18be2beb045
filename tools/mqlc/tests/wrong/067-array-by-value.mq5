// error 294
int F(int a[]) { // <-
   return ArraySize(a);
}
