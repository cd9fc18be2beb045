// error 216
class C {
};

struct S {
   C c;
};

void F(S &a, const S &b) {
   a = b; // <-
}
