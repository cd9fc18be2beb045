// error 143
void g_a; // <-
