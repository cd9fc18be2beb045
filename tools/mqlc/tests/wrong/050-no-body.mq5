// error 270
int F(int a); // <-

int G() {
   return F(1);
}
