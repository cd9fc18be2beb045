// error 186
int g_a[2] = {1, 2, 3}; // <-
