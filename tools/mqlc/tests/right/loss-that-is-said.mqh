int F(const long a, const double b, const ulong c) {
   int part = (int)(a & 0xFF);
   uchar byte = (uchar)((c >> 8) & 0xFF);
   float small = (float)b;
   bool some = a != 0;
   return part + byte + (int)small + (some ? 1 : 0);
}

bool G(const uint a, const int b) { return a < 5 && (int)a < b; }
