// error 199
int F(const int a, const int b) { return a + b; }

int G() {
   return F(1); // <-
}
