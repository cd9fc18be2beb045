// error 224 error 270
class C {
   void F(const int a); // <-
};

void C::F(const long a) { // <-
}
