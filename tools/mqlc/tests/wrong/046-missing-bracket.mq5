// error 145
int F(const int a) {
   return (a + 1; // <-
}
