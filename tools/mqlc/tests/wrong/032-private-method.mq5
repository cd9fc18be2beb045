// error 214
class C {
   void Hide() {}
};

void F() {
   C c;
   c.Hide(); // <-
}
