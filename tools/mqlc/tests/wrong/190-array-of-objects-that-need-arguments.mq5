// error 328
class C {
public:
   C(const int a) { Print(a); }
};

C g_all[3]; // <-
