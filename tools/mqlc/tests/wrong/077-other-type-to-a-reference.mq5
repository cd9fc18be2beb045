// error 201
void Set(long &a) { a = 1; }

void F() {
   int b = 0;
   Set(b); // <-
}
