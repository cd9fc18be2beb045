// error 202
void F(const uchar &a[]) {
   ArrayResize(a, 1); // <-
}
