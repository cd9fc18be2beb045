// error 256
int F() { return 1; }

int G() {
   return F; // <-
}
