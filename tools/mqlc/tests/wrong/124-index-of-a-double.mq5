// error 173
int F(const int &a[], const double at) {
   return a[at]; // <-
}
