// error 157
void F() {
   try { // <-
   }
}
