// error 188
int F(int a) {
   static int b = a; // <-
   return b;
}
