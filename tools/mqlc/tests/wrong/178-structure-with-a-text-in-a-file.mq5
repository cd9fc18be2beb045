// error 368
struct S {
   int a[];
};

void F(const int file, const S &s) {
   FileWriteStruct(file, s); // <-
}
