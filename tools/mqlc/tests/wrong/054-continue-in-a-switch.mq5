// error 210
void F(const int a) {
   switch(a) {
   case 1:
      continue; // <-
   }
}
