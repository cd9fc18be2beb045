// error 120
void F(const int &a[]) {
   int b[];
   b = a; // <-
}
