// warning 43
double F(const long a) {
   return a; // <-
}
