// error 179
int F(const int a) {
   switch(a) {
   case 1:
      int b = a; // <-
      return b;
   }
   return 0;
}
