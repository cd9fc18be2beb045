// error 151
void F() {
}

int G() {
   return F(); // <-
}
