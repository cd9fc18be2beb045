// error 183
void F() {
   else // <-
      return;
}
