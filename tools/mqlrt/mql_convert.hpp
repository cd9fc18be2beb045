// Texts from values and values from texts; Print, Alert, Comment and StringFormat.
#pragma once
#pragma GCC system_header

#include "mql_array.hpp"
#include "mql_string.hpp"
#include <vector>

namespace mql {

inline constexpr uint CP_ACP = 0, CP_OEMCP = 1, CP_MACCP = 2, CP_THREAD_ACP = 3, CP_SYMBOL = 42, CP_UTF7 = 65000, CP_UTF8 = 65001;
inline constexpr int TIME_DATE = 1, TIME_MINUTES = 2, TIME_SECONDS = 4;

string IntegerToString(long number, int length = 0, ushort fill = ' ');
/// `digits` below zero: scientific notation.
string DoubleToString(double value, int digits = 8);
string TimeToString(datetime value, int mode = TIME_DATE | TIME_MINUTES);
string CharToString(uchar code);
string ShortToString(ushort code);
string ColorToString(color value, bool name = false);
long StringToInteger(const string &text);
double StringToDouble(const string &text);
datetime StringToTime(const string &text);
color StringToColor(const string &text);
double NormalizeDouble(double value, int digits);
template <class E>
    requires std::is_enum_v<E>
string EnumToString(E value) { return string(static_cast<long>(value)); }

namespace text {
/// Bytes of a text in a code page, with the terminating zero. What the page does not have becomes '?'.
std::vector<uchar> encode(const string &text, uint codepage);
string decode(const uchar *bytes, long count, uint codepage);
/// `%d` and its like take 32 bits unless I64 stands before them: whoever forgets it sees a wrong number, as in MetaTrader.
struct Argument {
    enum Kind { INTEGER, REAL, TEXT } kind;
    long number = 0;
    double real = 0;
    string words;
};
string format(const string &pattern, const std::vector<Argument> &arguments);

template <class T> Argument argument(const T &value) {
    if constexpr (std::is_same_v<T, string>)
        return {Argument::TEXT, 0, 0, value};
    else if constexpr (std::is_floating_point_v<T>)
        return {Argument::REAL, 0, static_cast<double>(value), {}};
    else if constexpr (std::is_same_v<T, Null>)
        return {Argument::INTEGER, 0, 0, {}};
    else {
        static_assert(std::is_integral_v<T> || std::is_enum_v<T>, "only numbers, enumerations and strings can be printed");
        return {Argument::INTEGER, static_cast<long>(value), 0, {}};
    }
}
template <class T> string shown(const T &value) {
    if constexpr (std::is_same_v<T, string>)
        return value;
    else
        return string(value);
}
template <class... A> string joined(const A &...values) {
    string all = string(u"");
    ((all += shown(values)), ...);
    return all;
}
void print(const string &line);
void alert(const string &line);
void comment(const string &line);
} // namespace text

template <class... A> string StringFormat(const string &pattern, const A &...values) {
    return text::format(pattern, {text::argument(values)...});
}
template <class... A> void PrintFormat(const string &pattern, const A &...values) { text::print(StringFormat(pattern, values...)); }
template <class... A> void printf(const string &pattern, const A &...values) { text::print(StringFormat(pattern, values...)); }
template <class... A> void Print(const A &...values) { text::print(text::joined(values...)); }
template <class... A> void Alert(const A &...values) { text::alert(text::joined(values...)); }
template <class... A> void Comment(const A &...values) { text::comment(text::joined(values...)); }

/// Copies and counts the terminating zero, unless `count` ends before it. Grows a dynamic array, never shrinks it.
template <class A>
    requires ByteArray<std::remove_cvref_t<A>>
int StringToCharArray(const string &from, A &&to, int start = 0, int count = WHOLE_ARRAY, uint codepage = CP_ACP) {
    const std::vector<uchar> bytes = text::encode(from, codepage);
    long n = static_cast<long>(bytes.size());
    if (count >= 0) n = std::min<long>(n, count);
    if (start < 0) return 0;
    if (start + n > to.count() && to.resize(static_cast<int>(start + n), 0) < 0) n = std::max<long>(0, to.count() - start);
    for (long i = 0; i < n; ++i) to[start + i] = static_cast<typename std::remove_cvref_t<A>::value_type>(bytes[static_cast<std::size_t>(i)]);
    return static_cast<int>(n);
}
/// Ends at a zero in the array, with or without `count`.
template <ByteArray A> string CharArrayToString(const A &from, int start = 0, int count = WHOLE_ARRAY, uint codepage = CP_ACP) {
    const long there = from.count() - start;
    const long n = count < 0 ? there : std::min<long>(there, count);
    if (start < 0 || n <= 0) return string(u"");
    return text::decode(reinterpret_cast<const uchar *>(from.data()) + start, n, codepage);
}
template <class A> int StringToShortArray(const string &from, A &&to, int start = 0, int count = WHOLE_ARRAY) {
    long n = from.length() + 1;
    if (count >= 0) n = std::min<long>(n, count);
    if (start < 0) return 0;
    if (start + n > to.count() && to.resize(static_cast<int>(start + n), 0) < 0) n = std::max<long>(0, to.count() - start);
    for (long i = 0; i < n; ++i) to[start + i] = static_cast<ushort>(i < from.length() ? from.text()[static_cast<std::size_t>(i)] : 0);
    return static_cast<int>(n);
}
template <AnyArray A> string ShortArrayToString(const A &from, int start = 0, int count = WHOLE_ARRAY) {
    std::u16string units;
    const long end = count < 0 ? from.count() : std::min<long>(from.count(), static_cast<long>(start) + count);
    for (long i = start; i >= 0 && i < end && from[i] != 0; ++i) units += static_cast<char16_t>(from[i]);
    return string(units);
}
template <class A> int StringSplit(const string &from, ushort separator, A &&to) {
    if (from.length() == 0) {
        to.resize(0, 0);
        return 0;
    }
    int n = 0;
    std::size_t at = 0;
    while (true) {
        const std::size_t next = from.text().find(static_cast<char16_t>(separator), at);
        to.resize(n + 1, 0);
        to[n++] = string(from.text().substr(at, next == std::u16string::npos ? next : next - at));
        if (next == std::u16string::npos) return n;
        at = next + 1;
    }
}

} // namespace mql
