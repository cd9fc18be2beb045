// error 110
int g_a = `1`; // <-
