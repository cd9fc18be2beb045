// warning 70
void OnChartEvent(const int id, const long l, const double d, const string s) { // <-
}
