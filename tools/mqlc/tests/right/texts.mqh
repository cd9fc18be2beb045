string Shown(const int a, const double b, const datetime c, const bool d) {
   string text = "a" "b" + IntegerToString(a) + DoubleToString(b, 2) + TimeToString(c, TIME_DATE | TIME_SECONDS) + (string)d;
   if(text == NULL || text == "" || text < "b")
      text += "c";
   Print("x ", a, " ", b);
   StringReplace(text, "a", "b");
   return StringSubstr(text, 0, 1);
}
