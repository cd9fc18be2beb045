// error 128
struct S {
   S inner; // <-
   int b;
};

int F() {
   S s;
   return s.b + (int)sizeof(S);
}
