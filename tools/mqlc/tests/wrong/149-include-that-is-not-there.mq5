// error 106
#include <Nothing\Here.mqh> // <-
