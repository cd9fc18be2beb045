// error 154
int F(const int &a[]) {
   int sum = 0;
   for(int b : a) // <-
      sum += b;
   return sum;
}
