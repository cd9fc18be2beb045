void Draw(const string name) {
   if(ObjectFind(0, name) < 0)
      ObjectCreate(0, name, OBJ_LABEL, 0, 0, 0);
   ObjectSetInteger(0, name, OBJPROP_COLOR, clrRed);
   ObjectSetString(0, name, OBJPROP_TEXT, "text");
   ChartRedraw();
}
