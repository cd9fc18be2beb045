// error 125
int F() {
   int a = 1;
   int a = 2; // <-
   return a;
}
