// error 172
int F(const int a) {
   switch(a) {
   case 1:
      return 1;
   case 1: // <-
      return 2;
   }
   return 0;
}
