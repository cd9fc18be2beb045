// error 153
void F() {
   break; // <-
}
