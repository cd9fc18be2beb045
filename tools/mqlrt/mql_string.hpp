// MQL's string: UTF-16, and it can be NULL, which is not the same as empty.
#pragma once
#pragma GCC system_header

#include "mql_core.hpp"
#include <string>
#include <string_view>

namespace mql {

class string {
    std::u16string units;
    bool none = true;

public:
    string() = default;
    string(Null) {}
    string(std::u16string text) : units(std::move(text)), none(false) {}
    /// Literals only: a pointer could be null.
    template <std::size_t N> string(const char16_t (&literal)[N]) : units(literal, N - 1), none(false) {}
    /// UTF-8; for literals of the translated source and for the runtime itself.
    static string utf8(std::string_view text);
    std::string to_utf8() const;

    /// `(string)number`, as Print writes it.
    explicit string(bool value);
    explicit string(char value) : string(static_cast<long>(value)) {}
    explicit string(uchar value) : string(static_cast<long>(value)) {}
    explicit string(short value) : string(static_cast<long>(value)) {}
    explicit string(ushort value) : string(static_cast<long>(value)) {}
    explicit string(int value) : string(static_cast<long>(value)) {}
    explicit string(uint value) : string(static_cast<long>(value)) {}
    explicit string(long value);
    explicit string(ulong value);
    explicit string(float value) : string(static_cast<double>(value)) {}
    explicit string(double value);
    template <class E>
        requires std::is_enum_v<E>
    explicit string(E value) : string(static_cast<long>(value)) {}

    /// `(int)text` and its like.
    template <class T>
        requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
    explicit operator T() const {
        if constexpr (std::is_floating_point_v<T>)
            return static_cast<T>(as_double());
        else
            return static_cast<T>(as_long());
    }
    long as_long() const;
    double as_double() const;

    bool is_null() const { return none; }
    int length() const { return static_cast<int>(units.size()); }
    const std::u16string &text() const { return units; }
    std::u16string &change() {
        none = false;
        return units;
    }
    ushort operator[](long i) const {
        if (i < 0 || i >= length()) critical_index(i, length());
        return static_cast<ushort>(units[static_cast<std::size_t>(i)]);
    }
    string &operator+=(const string &other) {
        units += other.units;
        none = none && other.none;
        return *this;
    }
    string *operator->() { return this; }
    const string *operator->() const { return this; }
};

inline string operator+(string a, const string &b) {
    a += b;
    return a;
}
inline bool operator==(const string &a, const string &b) { return a.is_null() == b.is_null() && a.text() == b.text(); }
inline bool operator==(const string &a, Null) { return a.is_null(); }
inline bool operator<(const string &a, const string &b) { return a.text() < b.text(); }
inline bool operator>(const string &a, const string &b) { return b < a; }
inline bool operator<=(const string &a, const string &b) { return !(b < a); }
inline bool operator>=(const string &a, const string &b) { return !(a < b); }

inline string operator""_s(const char *text, std::size_t bytes) { return string::utf8({text, bytes}); }
inline string operator""_s(const char16_t *text, std::size_t units) { return string(std::u16string(text, units)); }

int StringLen(const string &text);
int StringBufferLen(const string &text);
int StringFind(const string &text, const string &what, int start = 0);
string StringSubstr(const string &text, int start, int length = -1);
int StringReplace(string &text, const string &what, const string &with);
bool StringToLower(string &text);
bool StringToUpper(string &text);
int StringCompare(const string &a, const string &b, bool case_sensitive = true);
ushort StringGetCharacter(const string &text, int position);
bool StringSetCharacter(string &text, int position, ushort value);
bool StringFill(string &text, ushort value);
bool StringInit(string &text, int length = 0, ushort value = 0);
bool StringAdd(string &text, const string &more);

namespace text {
/// Both sides without blanks, tabs and ends of lines.
string trimmed(const string &text, bool left, bool right);
} // namespace text

} // namespace mql
