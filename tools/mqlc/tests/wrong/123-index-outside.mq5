// error 218
int F() {
   int a[3] = {1, 2, 3};
   return a[3]; // <-
}
