// error 166
void Put(const int a, int &b) { b = a; }
void Put(const long a, long &b) { b = a; }

void F() {
   string c = "";
   Put(1, c); // <-
}
