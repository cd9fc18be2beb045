// error 213
class C {
};

void C::F() { // <-
}
