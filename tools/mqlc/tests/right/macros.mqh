#define LIMIT 5
#define TWICE(a) ((a) * 2)
#ifdef __MQL5__
#define WORD "five"
#else
#define WORD "four"
#endif
int g_cells[LIMIT + 1];
string Test() { return WORD + IntegerToString(TWICE(LIMIT) + g_cells[LIMIT]); }
