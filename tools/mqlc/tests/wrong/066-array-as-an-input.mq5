// error 285
input int Waits[2]; // <-
