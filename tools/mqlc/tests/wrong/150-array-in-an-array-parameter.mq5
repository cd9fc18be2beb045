// error 146
void F(int &a[][]) { // <-
}
