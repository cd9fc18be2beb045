// error 262
ENUM_ORDER_TYPE F() {
   return POSITION_TYPE_BUY; // <-
}
