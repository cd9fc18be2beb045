// error 117
int F(const bool a) {
   if(a)
      return 1;
} // <-
