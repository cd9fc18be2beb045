// error 237
class C {
};

void F() {
   C c;
   delete c; // <-
}
