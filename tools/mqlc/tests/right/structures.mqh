enum EKind { KIND_A, KIND_B = 5, KIND_C };

struct Point {
   int x;
   int y;
};

struct Named : public Point {
   string name;
   EKind kind;
   int cells[2];

   Named() {
      name = "";
      kind = KIND_A;
   }

   int Sum() const { return x + y + cells[0]; }
};

union Bits {
   double value;
   ulong bits;
};

int Of(const Named &a) { return a.Sum() + a.x; }

void Take(Point &a) { a.x = 1; }

ulong Test() {
   Point a = {1, 2};
   Point b = {};
   b = a;
   Point all[2];
   all[0] = b;
   Named named;
   Take(named);
   named.kind = KIND_C;
   named.kind = (EKind)all[0].x;
   ZeroMemory(b);
   Bits both;
   both.value = 1.5;
   return both.bits + (ulong)Of(named) + (ulong)sizeof(Point);
}
