// warning 43
int F(const long a) {
   int b = a; // <-
   return b;
}
