// error 326 warning 31
void F(const bool a) {
   if(a)
      int b = 1; // <-
}
