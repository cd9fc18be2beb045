// error 188
int F() { return 1; }

int g_a = F(); // <-
