// error 201
int F(const string a) {
   ushort b[];
   return StringToCharArray(a, b); // <-
}
