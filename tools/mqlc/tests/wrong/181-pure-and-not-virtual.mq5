// error 382
class C {
   int F() = 0; // <-
};
