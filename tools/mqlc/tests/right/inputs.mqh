input group "Connection"
input string Token = "";
input double Volume = 0.0;
input bool On = true;
input ENUM_TIMEFRAMES Frame = PERIOD_M1;
sinput uint Wait = 500;

int Test() { return On && Volume > 0 && Wait > 10 ? PeriodSeconds(Frame) : StringLen(Token); }
