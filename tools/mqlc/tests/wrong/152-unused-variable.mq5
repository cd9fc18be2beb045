// warning 31
void F() {
   int a = 1; // <-
}
