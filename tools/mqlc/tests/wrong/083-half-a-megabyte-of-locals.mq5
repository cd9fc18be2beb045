// warning 26
int F() {
   int a[140000]; // <-
   ArrayInitialize(a, 0);
   return a[0];
}
