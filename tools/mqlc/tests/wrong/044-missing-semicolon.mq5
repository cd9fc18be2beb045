// error 154
int F() {
   int a = 1
   return a; // <-
}
