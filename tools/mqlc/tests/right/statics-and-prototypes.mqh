int Later(const int a);

int Next() {
   static int s_next = 5;
   return Later(s_next++);
}

int Later(const int a) { return a * 2; }

void Nothing(void) {
   return;
}
