// error 189
void F(const uchar &a[]) {
   a[0] = 1; // <-
}
