// error 271
int StringLen(const string a) { return 1; } // <-
