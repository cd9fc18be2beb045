// warning 25
string g_a = "a\d"; // <-
