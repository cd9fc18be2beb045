// warning 45
bool F(const char a, const uchar b) {
   return a > b; // <-
}
