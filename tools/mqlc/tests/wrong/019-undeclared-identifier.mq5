// error 256
int F() {
   return g_unknown; // <-
}
