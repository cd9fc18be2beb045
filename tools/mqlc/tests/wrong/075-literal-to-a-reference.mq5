// error 200
void Set(int &a) { a = 1; }

void F() {
   Set(5); // <-
}
