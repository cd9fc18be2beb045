// warning 63
void F() {
   int a[3];
   ArrayResize(a, 5); // <-
}
