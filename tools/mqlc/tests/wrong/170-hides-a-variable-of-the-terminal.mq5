// warning 64
int F(const int _Digits) { // <-
   return _Digits;
}
