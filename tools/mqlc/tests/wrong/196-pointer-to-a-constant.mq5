// error 0
class C {
};

void F(const C *c) { // <-
}
