// error 173
double F(const double a) {
   return a % 2; // <-
}
