// error 187
int F(const int a, const int b) {
   switch(a) {
   case b: // <-
      return 1;
   }
   return 0;
}
