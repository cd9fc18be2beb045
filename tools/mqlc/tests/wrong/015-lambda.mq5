// error 157
void F() {
   int a = [](int b) { return b; }(1); // <-
}
