// What only MQL4 has, or has in a shape of its own. It has no Socket*, OnTradeTransaction, StructToCharArray, GetTickCount64.
#pragma once
#pragma GCC system_header

#include "mql.hpp"

namespace mql {

enum ENUM_TIMEFRAMES : int {
    PERIOD_CURRENT = 0, PERIOD_M1 = 1, PERIOD_M5 = 5, PERIOD_M15 = 15, PERIOD_M30 = 30, PERIOD_H1 = 60, PERIOD_H4 = 240, PERIOD_D1 = 1440,
    PERIOD_W1 = 10080, PERIOD_MN1 = 43200, PERIOD_M2 = 2, PERIOD_M3 = 3, PERIOD_M4 = 4, PERIOD_M6 = 6, PERIOD_M10 = 10, PERIOD_M12 = 12, PERIOD_M20 = 20,
    PERIOD_H2 = 120, PERIOD_H3 = 180, PERIOD_H6 = 360, PERIOD_H8 = 480, PERIOD_H12 = 720
};
inline int Period() { return chart_period(0); }
inline ENUM_TIMEFRAMES ChartPeriod(long chart = 0) { return static_cast<ENUM_TIMEFRAMES>(chart_period(chart)); }
/// Not a macro: the standard library has parameters of this name.
inline constexpr struct CurrentPeriod {
    operator int() const { return Period(); }
} _Period;
inline int PeriodSeconds(int period = PERIOD_CURRENT) { return (period == PERIOD_CURRENT ? Period() : period) * 60; }

/// Clears the error, unlike MQL5's.
inline int GetLastError() { return std::exchange(_LastError, 0); }
inline bool IsDllsAllowed() { return MQLInfoInteger(MQL_DLLS_ALLOWED) != 0; }
inline bool IsTesting() { return false; }
inline bool IsOptimization() { return false; }
inline bool IsVisualMode() { return false; }
inline string WindowExpertName() { return MQLInfoString(MQL_PROGRAM_NAME); }
inline int WindowHandle(const string &, int) { return 1; }

/// These give the new text; MQL5's change theirs.
inline string StringTrimLeft(const string &from) { return text::trimmed(from, true, false); }
inline string StringTrimRight(const string &from) { return text::trimmed(from, false, true); }
template <class... A> string StringConcatenate(const A &...values) { return text::joined(values...); }
inline ushort StringGetChar(const string &from, int position) { return StringGetCharacter(from, position); }
inline string StringSetChar(const string &from, int position, ushort value) {
    string made = from;
    StringSetCharacter(made, position, value);
    return made;
}
inline string DoubleToStr(double value, int digits) { return DoubleToString(value, digits); }
inline string TimeToStr(datetime value, int mode = TIME_DATE | TIME_MINUTES) { return TimeToString(value, mode); }
inline int StrToInteger(const string &from) { return static_cast<int>(StringToInteger(from)); }
inline double StrToDouble(const string &from) { return StringToDouble(from); }
inline datetime StrToTime(const string &from) { return StringToTime(from); }
inline string CharToStr(uchar code) { return CharToString(code); }

inline bool ObjectCreate(const string &name, ENUM_OBJECT type, int window, datetime time1, double price1, datetime time2 = 0, double price2 = 0,
                         datetime time3 = 0, double price3 = 0) {
    return ObjectCreate(0, name, type, window, time1, price1, time2, price2, time3, price3);
}
inline bool ObjectDelete(const string &name) { return ObjectDelete(0, name); }
inline int ObjectFind(const string &name) { return ObjectFind(0, name); }
inline void WindowRedraw() { ChartRedraw(0); }

} // namespace mql

#if __has_include("terminal4.hpp")
#include "terminal4.hpp"
#endif

// Again and last of all: headers of the standard library, included since mql.hpp, may have given NULL its meaning in C++.
#undef NULL
#define NULL (::mql::null_value)
