// error 302
class C {
};

C g_c;
C *g_p;

void F() {
   g_p = g_c; // <-
}
