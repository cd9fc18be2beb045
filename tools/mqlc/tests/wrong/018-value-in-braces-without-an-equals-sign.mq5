// error 149
struct S {
   int a;
};

int F() {
   S s{1}; // <-
   return s.a;
}
