// error 256
#property strict
struct S {
   int a;
};

void F(const S &s) {
   uchar bytes[];
   StructToCharArray(s, bytes); // <-
}
