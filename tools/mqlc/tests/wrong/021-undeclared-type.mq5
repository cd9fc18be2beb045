// error 256
void F(const CUnknown &a) { // <-
}
