// error 256
void CNone::F() { // <-
}
