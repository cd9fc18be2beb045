// error 202
void Set(int &a) { a = 1; }

void F(const int a) {
   Set(a); // <-
}
