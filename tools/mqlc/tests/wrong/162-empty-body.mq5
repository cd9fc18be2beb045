// warning 69
void F(const bool a) {
   if(a); // <-
}
