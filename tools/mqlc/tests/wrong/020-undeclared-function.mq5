// error 256
void F() {
   DoIt(); // <-
}
