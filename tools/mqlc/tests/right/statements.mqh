int Loop(const int n) {
   int sum = 0;
   for(int i = 0, j = n; i < j; i++, j--)
      sum += i;
   int k;
   for(k = 0; k < n; k++) {
      if(k == 3)
         continue;
      sum -= k;
   }
   while(sum > 100)
      sum /= 2;
   do {
      sum++;
   } while(sum < 0);
   for(;;) {
      if(sum++ > 5)
         break;
   }
   return sum;
}

int Choose(const int a) {
   switch(a) {
   case 1:
   case -2:
      return 1;
   case 3: {
      int b = a;
      return b;
   }
   default:
      break;
   }
   return a > 5 ? 1 : a < 0 ? -1 : 0;
}

int Always(const bool a) {
   if(a)
      return 1;
   else
      return 2;
}

int Forever() {
   while(true) {
      if(Choose(1) == 1)
         return 1;
   }
}

int Default(const int a) {
   switch(a) {
   case 1:
      return 1;
   default:
      return 0;
   }
}
