// error 189
const int LIMIT = 5;

void F() {
   LIMIT = 6; // <-
}
