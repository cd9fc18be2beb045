// warning 178
void F(const int a) {
   a + 1; // <-
}
