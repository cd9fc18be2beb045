// error 262
enum ECase { CASE_A, CASE_B };

ECase F(const int a) {
   ECase b = a; // <-
   return b;
}
