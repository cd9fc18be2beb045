int g_fixed[3] = {1, 2, 3};
string g_names[] = {"a", "b"};
int g_table[2][3];

int Sum(const int &a[], const int from = 0) {
   int sum = 0;
   for(int i = from; i < ArraySize(a); i++)
      sum += a[i];
   return sum;
}

void Fill(int &a[], const int count) {
   ArrayResize(a, count);
   ArrayInitialize(a, 0);
   if(count > 0)
      a[0] = g_table[1][2];
}

int Both() {
   int dynamic[];
   int fixed[2] = {0};
   Fill(dynamic, 4);
   ArrayCopy(dynamic, fixed, 0, 0, 2);
   return Sum(dynamic) + Sum(fixed, 1) + Sum(g_fixed) + StringLen(g_names[0]);
}
