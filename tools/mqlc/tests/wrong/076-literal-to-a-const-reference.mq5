// error 200
int Length(const string &a) { return StringLen(a); }

int F() {
   return Length("a"); // <-
}
