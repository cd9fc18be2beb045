// error 260 error 171
int F(const string a) {
   switch(a) { // <-
   case "x": // <-
      return 1;
   }
   return 0;
}
