// warning 43
uchar F(const int a) {
   return a; // <-
}
