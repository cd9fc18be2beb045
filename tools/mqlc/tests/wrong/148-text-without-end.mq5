// error 112
string g_a = "a; // <-
