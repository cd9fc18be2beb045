// error 370
class C {
   static int s_a; // <-
};
