// warning 45
bool F(const int a, const uint b) {
   return a < b; // <-
}
