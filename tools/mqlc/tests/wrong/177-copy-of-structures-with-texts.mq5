// error 368
struct S {
   string a;
};

void F(const S &from[], S &to[]) {
   ArrayCopy(to, from); // <-
}
