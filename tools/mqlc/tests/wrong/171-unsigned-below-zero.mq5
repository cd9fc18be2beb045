// warning 65
bool F(const uint a) {
   return a < 0; // <-
}
