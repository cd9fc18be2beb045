// error 149
template<typename T> // <-
T F(T a) { return a; }
