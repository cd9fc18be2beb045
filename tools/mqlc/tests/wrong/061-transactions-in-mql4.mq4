// error 0
#property strict
void OnTradeTransaction() { // <-
}
