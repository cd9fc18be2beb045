// error 395
class C {
};

interface I : public C { // <-
   int F();
};
