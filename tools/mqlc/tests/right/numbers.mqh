const int COUNT = 3;
const ulong BIG = 0xFFFFFFFFFFFFFFFF;
int g_signed = (int)0x8004667E;
uint g_all = 0xFFFFFFFF;
uint g_none = (uint)-1;
uchar g_byte = 255;
double g_double = 5;
double g_exponent = 1.5e-3;
float g_float = 2.5;
long g_long = COUNT * 1000 + 1;
bool g_bool = false;
ushort g_letter = 'x';
datetime g_date = D'2024.01.02 03:04';
color g_color = C'1,2,3';
color g_red = clrRed;

int Whole(const double a) {
   return (int)MathRound(a);
}

ulong Shifted(const uchar a, const int by) {
   return (ulong)a << by;
}
