// warning 83
void F(const MqlTradeRequest &request, MqlTradeResult &result) {
   OrderSendAsync(request, result); // <-
}
