// error 189
input int Wait = 5;

void F() {
   Wait = 6; // <-
}
