// error 188
int g_n = 3;
int g_a[g_n]; // <-
