// error 267
class C {
};

struct S : public C { // <-
};
