// warning 61
int F(const bool a) {
   int b = 1;
   if(a) {
      int b = 2; // <-
      return b;
   }
   return b;
}
