// error 262
void F() {
   MqlTradeRequest a;
   ZeroMemory(a);
   a.action = 1; // <-
}
