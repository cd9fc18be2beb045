// error 373
class C {
};

C g_c;

C F() { // <-
   return g_c;
}
