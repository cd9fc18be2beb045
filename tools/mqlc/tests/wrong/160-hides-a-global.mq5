// warning 62
int g_a = 1;

int F(const int g_a) { // <-
   return g_a;
}
