// error 253
void F() {
   int *p; // <-
}
