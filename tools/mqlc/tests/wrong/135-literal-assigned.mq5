// error 177
void F() {
   5 = 6; // <-
}
