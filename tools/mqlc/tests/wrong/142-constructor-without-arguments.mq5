// error 199
class C {
public:
   C(const int a) { Print(a); }
};

C g_c; // <-
