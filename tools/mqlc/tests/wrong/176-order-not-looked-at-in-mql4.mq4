// warning 83
#property strict
void F(const int ticket) {
   OrderSelect(ticket, SELECT_BY_TICKET); // <-
}
