// error 140
const int LIMIT; // <-
