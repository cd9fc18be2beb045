// warning 75
ulong F(const uint a) {
   return a << 32; // <-
}
