// warning 43
int F(const double a) {
   return StringLen(IntegerToString(a)); // <-
}
