// error 138 error 188
int g_a;

void F(int &a = g_a) { // <-
   a = 1;
}
