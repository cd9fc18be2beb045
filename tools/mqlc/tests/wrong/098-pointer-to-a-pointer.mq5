// error 250
class C {
};

void F(C **c) { // <-
}
