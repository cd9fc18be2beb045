// warning 44
int g_a = 3.14; // <-
