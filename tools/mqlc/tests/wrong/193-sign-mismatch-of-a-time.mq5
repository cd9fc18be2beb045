// warning 45
bool F(const datetime a, const ulong b) {
   return a > b; // <-
}
