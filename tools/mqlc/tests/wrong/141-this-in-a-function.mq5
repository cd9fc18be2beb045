// error 256
void F() {
   Print(CheckPointer(this)); // <-
}
