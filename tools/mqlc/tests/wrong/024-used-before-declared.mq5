// error 256
int F() {
   return g_late; // <-
}

int g_late = 1;
