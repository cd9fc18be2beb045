// warning 178
void F(int &a) {
   a == 1; // <-
}
