// error 271
#property strict
string AccountServer() { return ""; } // <-
