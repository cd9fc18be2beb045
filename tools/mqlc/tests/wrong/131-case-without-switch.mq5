// error 184
void F() {
   case 1: // <-
      return;
}
