// error 262
bool F(const int file, const int from) {
   return FileSeek(file, 0, from); // <-
}
