// warning 54
int OnInit(const int a) { // <-
   return a;
}
