// error 201
void Set(uchar &a[]) { a[0] = 1; }

void F() {
   int b[];
   Set(b); // <-
}
