// error 167
void F() {
   return 1; // <-
}
