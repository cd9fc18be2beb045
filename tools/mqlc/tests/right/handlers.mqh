int OnInit() {
   return EventSetMillisecondTimer(10) ? INIT_SUCCEEDED : INIT_FAILED;
}
void OnDeinit(const int reason) { Print("ended ", reason); }
void OnTick() {}
void OnTimer() {}
void OnChartEvent(const int id, const long &lparam, const double &dparam, const string &sparam) {
   if(id == CHARTEVENT_OBJECT_CLICK)
      Print(sparam, lparam, dparam);
}
