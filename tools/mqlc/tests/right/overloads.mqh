int Put(const int a) { return a; }
int Put(const string a) { return StringLen(a); }
int Put(const int a, const int b) { return a + b; }

int Test() { return Put(1) + Put("a") + Put(1, 2); }
