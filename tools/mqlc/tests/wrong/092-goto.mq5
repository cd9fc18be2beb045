// error 157
void F() {
   goto end; // <-
}
