// warning 67
ulong F(const ulong a) {
   return -a; // <-
}
