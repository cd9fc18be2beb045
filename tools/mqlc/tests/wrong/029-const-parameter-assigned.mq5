// error 189
void F(const int a) {
   a = 1; // <-
}
