// error 241
void F() {
   int b = 0;
   ArrayResize(b, 1); // <-
}
