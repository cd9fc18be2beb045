// error 125
int g_a = 1;
int g_a = 2; // <-
