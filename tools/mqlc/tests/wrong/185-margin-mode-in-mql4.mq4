// error 256
#property strict
long F() {
   return AccountInfoInteger(ACCOUNT_MARGIN_MODE); // <-
}
