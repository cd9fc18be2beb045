// error 256
class C {
};

void F() {
   C c;
   c.Run(); // <-
}
