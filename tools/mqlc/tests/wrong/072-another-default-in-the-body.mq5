// error 278
class C {
public:
   int F(const int a = 1);
};

int C::F(const int a = 2) { return a; } // <-
