// error 229
int F(int a) {
   int &b = a; // <-
   return b;
}
