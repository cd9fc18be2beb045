// error 256
#property strict
ulong F() {
   return GetTickCount64(); // <-
}
