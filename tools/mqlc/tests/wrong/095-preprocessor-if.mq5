// error 109
#if 1 // <-
#endif
