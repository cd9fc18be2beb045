// error 389
const int LIMIT; // <-
