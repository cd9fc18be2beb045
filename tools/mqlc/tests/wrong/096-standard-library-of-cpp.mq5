// error 149
std::string g_a; // <-
