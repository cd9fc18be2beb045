// warning 66
int F(const int a, const bool b) {
   return a + b; // <-
}
