// Charts and what is drawn on them: a table in memory that the host is told about.
#pragma once
#pragma GCC system_header

#include "mql_string.hpp"

namespace mql {

enum ENUM_OBJECT : int {
    OBJ_VLINE = 0, OBJ_HLINE = 1, OBJ_TREND = 2, OBJ_TRENDBYANGLE = 3, OBJ_RECTANGLE = 16, OBJ_TRIANGLE = 17, OBJ_ELLIPSE = 18, OBJ_ARROW_UP = 24,
    OBJ_ARROW_DOWN = 25, OBJ_ARROW = 31, OBJ_TEXT = 101, OBJ_LABEL = 102, OBJ_BUTTON = 103, OBJ_EDIT = 107, OBJ_RECTANGLE_LABEL = 110
};
enum ENUM_OBJECT_PROPERTY_INTEGER : int {
    OBJPROP_COLOR, OBJPROP_STYLE, OBJPROP_WIDTH, OBJPROP_BACK, OBJPROP_ZORDER, OBJPROP_FILL, OBJPROP_HIDDEN, OBJPROP_SELECTED, OBJPROP_READONLY, OBJPROP_TYPE,
    OBJPROP_TIME, OBJPROP_SELECTABLE, OBJPROP_CREATETIME, OBJPROP_FONTSIZE, OBJPROP_RAY_LEFT, OBJPROP_RAY_RIGHT, OBJPROP_RAY, OBJPROP_TIMEFRAMES,
    OBJPROP_ARROWCODE, OBJPROP_ANCHOR, OBJPROP_XDISTANCE, OBJPROP_YDISTANCE, OBJPROP_STATE, OBJPROP_CORNER, OBJPROP_XSIZE, OBJPROP_YSIZE, OBJPROP_BGCOLOR,
    OBJPROP_BORDER_COLOR, OBJPROP_BORDER_TYPE, OBJPROP_ALIGN
};
enum ENUM_OBJECT_PROPERTY_DOUBLE : int { OBJPROP_PRICE = 1000, OBJPROP_LEVELVALUE, OBJPROP_SCALE, OBJPROP_ANGLE, OBJPROP_DEVIATION };
enum ENUM_OBJECT_PROPERTY_STRING : int { OBJPROP_NAME = 2000, OBJPROP_TEXT, OBJPROP_TOOLTIP, OBJPROP_LEVELTEXT, OBJPROP_FONT, OBJPROP_BMPFILE, OBJPROP_SYMBOL };
enum ENUM_LINE_STYLE : int { STYLE_SOLID, STYLE_DASH, STYLE_DOT, STYLE_DASHDOT, STYLE_DASHDOTDOT };
enum ENUM_BASE_CORNER : int { CORNER_LEFT_UPPER, CORNER_LEFT_LOWER, CORNER_RIGHT_LOWER, CORNER_RIGHT_UPPER };
enum ENUM_ANCHOR_POINT : int {
    ANCHOR_LEFT_UPPER, ANCHOR_LEFT, ANCHOR_LEFT_LOWER, ANCHOR_LOWER, ANCHOR_RIGHT_LOWER, ANCHOR_RIGHT, ANCHOR_RIGHT_UPPER, ANCHOR_UPPER, ANCHOR_CENTER
};
enum ENUM_ARROW_ANCHOR : int { ANCHOR_TOP, ANCHOR_BOTTOM };
enum ENUM_BORDER_TYPE : int { BORDER_FLAT, BORDER_RAISED, BORDER_SUNKEN };
enum ENUM_CHART_PROPERTY_INTEGER : int {
    CHART_SHOW, CHART_IS_OBJECT, CHART_BRING_TO_TOP, CHART_MOUSE_SCROLL, CHART_EVENT_MOUSE_WHEEL, CHART_EVENT_MOUSE_MOVE, CHART_EVENT_OBJECT_CREATE,
    CHART_EVENT_OBJECT_DELETE, CHART_MODE, CHART_FOREGROUND, CHART_SHIFT, CHART_AUTOSCROLL, CHART_SCALE, CHART_SHOW_GRID, CHART_SHOW_VOLUMES,
    CHART_COLOR_BACKGROUND, CHART_COLOR_FOREGROUND, CHART_WINDOWS_TOTAL, CHART_WINDOW_HANDLE, CHART_FIRST_VISIBLE_BAR, CHART_VISIBLE_BARS,
    CHART_WIDTH_IN_BARS, CHART_WIDTH_IN_PIXELS, CHART_HEIGHT_IN_PIXELS, CHART_EXPERT, CHART_SHOW_TRADE_LEVELS
};
enum ENUM_CHART_PROPERTY_STRING : int { CHART_COMMENT, CHART_EXPERT_NAME, CHART_SCRIPT_NAME };
inline constexpr int CHARTEVENT_KEYDOWN = 0, CHARTEVENT_MOUSE_MOVE = 10, CHARTEVENT_OBJECT_CREATE = 7, CHARTEVENT_OBJECT_CHANGE = 8,
                     CHARTEVENT_OBJECT_DELETE = 6, CHARTEVENT_CLICK = 4, CHARTEVENT_OBJECT_CLICK = 1, CHARTEVENT_OBJECT_DRAG = 2,
                     CHARTEVENT_OBJECT_ENDEDIT = 3, CHARTEVENT_CHART_CHANGE = 9, CHARTEVENT_CUSTOM = 1000, CHARTEVENT_CUSTOM_LAST = 66534;
inline constexpr int OBJ_NO_PERIODS = 0, OBJ_ALL_PERIODS = 0x1FFFFF;

/// 0x00BBGGRR.
inline constexpr color clrNONE = 0xFFFFFFFF, clrBlack = 0x000000, clrWhite = 0xFFFFFF, clrRed = 0x0000FF, clrLime = 0x00FF00, clrGreen = 0x008000,
                       clrBlue = 0xFF0000, clrYellow = 0x00FFFF, clrOrange = 0x00A5FF, clrGray = 0x808080, clrSilver = 0xC0C0C0, clrDimGray = 0x696969,
                       clrDodgerBlue = 0xFF901E, clrOrangeRed = 0x0045FF, clrTomato = 0x4763FF, clrGold = 0x00D7FF, clrLightGray = 0xD3D3D3,
                       clrMagenta = 0xFF00FF, clrAqua = 0xFFFF00, clrNavy = 0x800000, clrMaroon = 0x000080, clrLimeGreen = 0x32CD32,
                       clrSeaGreen = 0x578B2E, clrCrimson = 0x3C14DC, clrFireBrick = 0x2222B2, clrDarkOrange = 0x008CFF, clrWhiteSmoke = 0xF5F5F5;

bool ObjectCreate(long chart, const string &name, ENUM_OBJECT type, int window, datetime time1, double price1, datetime time2 = 0, double price2 = 0,
                  datetime time3 = 0, double price3 = 0);
bool ObjectDelete(long chart, const string &name);
int ObjectsDeleteAll(long chart, const string &prefix, int window = -1, int type = -1);
int ObjectsDeleteAll(long chart, int window = -1, int type = -1);
/// The sub-window, below zero if there is none of this name.
int ObjectFind(long chart, const string &name);
bool ObjectMove(long chart, const string &name, int point, datetime time, double price);
bool ObjectSetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, long value);
bool ObjectSetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier, long value);
bool ObjectSetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, double value);
bool ObjectSetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier, double value);
bool ObjectSetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, const string &value);
bool ObjectSetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier, const string &value);
long ObjectGetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier = 0);
double ObjectGetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier = 0);
string ObjectGetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier = 0);
int ObjectsTotal(long chart, int window = -1, int type = -1);
string ObjectName(long chart, int index, int window = -1, int type = -1);

long ChartID();
long ChartFirst();
long ChartNext(long chart);
void ChartRedraw(long chart = 0);
string ChartSymbol(long chart = 0);
bool ChartSetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, long value);
long ChartGetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, int window = 0);
bool ChartSetString(long chart, ENUM_CHART_PROPERTY_STRING property, const string &value);
string ChartGetString(long chart, ENUM_CHART_PROPERTY_STRING property);
string Symbol();
/// In the numbers of the dialect: mql5.hpp and mql4.hpp give Period() and ChartPeriod() their types.
int chart_period(long chart);
extern string _Symbol;

} // namespace mql
