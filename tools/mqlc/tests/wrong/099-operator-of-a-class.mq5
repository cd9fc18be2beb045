// error 149
class C {
public:
   bool operator==(const int a) { return a == 1; } // <-
};
