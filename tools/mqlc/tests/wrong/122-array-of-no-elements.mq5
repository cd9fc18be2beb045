// error 146
int g_a[0]; // <-
