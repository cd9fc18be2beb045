// Conversions, code pages, StringFormat, Print.
#include "runtime.hpp"

#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace mql {

// ---- code pages ----

namespace {
/// The upper half of Windows-1252 where it is not Latin-1.
constexpr char16_t CP1252[32] = {0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F,
                                 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178};

uchar to_ansi(char16_t unit) {
    if (unit < 0x80 || (unit >= 0xA0 && unit <= 0xFF)) return static_cast<uchar>(unit);
    for (int i = 0; i < 32; ++i)
        if (CP1252[i] == unit) return static_cast<uchar>(0x80 + i);
    return '?';
}

void put_utf8(std::vector<uchar> &to, std::uint32_t code) {
    auto put = [&](std::uint32_t byte) { to.push_back(static_cast<uchar>(byte)); };
    if (code < 0x80)
        put(code);
    else if (code < 0x800) {
        put(0xC0 | (code >> 6));
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3F));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

/// One code point from the front; broken bytes become U+FFFD and take one byte each.
std::uint32_t take_utf8(const uchar *bytes, long left, long &taken) {
    taken = 1;
    const uchar first = bytes[0];
    if (first < 0x80) return first;
    const int more = first >= 0xF0 && first < 0xF5 ? 3 : first >= 0xE0 && first < 0xF0 ? 2 : first >= 0xC2 && first < 0xE0 ? 1 : 0;
    if (more == 0 || more >= left) return 0xFFFD;
    std::uint32_t code = first & (0x3Fu >> more);
    for (int i = 1; i <= more; ++i) {
        if ((bytes[i] & 0xC0) != 0x80) return 0xFFFD;
        code = (code << 6) | (bytes[i] & 0x3Fu);
    }
    const std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0xFFFD;
    taken = more + 1;
    return code;
}
} // namespace

std::vector<uchar> text::encode(const string &from, uint codepage) {
    std::vector<uchar> bytes;
    const std::u16string &units = from.text();
    for (std::size_t i = 0; i < units.size(); ++i) {
        std::uint32_t code = units[i];
        if (codepage != CP_UTF8) {
            bytes.push_back(to_ansi(units[i]));
            continue;
        }
        if (code >= 0xD800 && code < 0xDC00 && i + 1 < units.size() && units[i + 1] >= 0xDC00 && units[i + 1] < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (units[++i] - 0xDC00u);
        else if (code >= 0xD800 && code < 0xE000)
            code = 0xFFFD;
        put_utf8(bytes, code);
    }
    bytes.push_back(0);
    return bytes;
}

string text::decode(const uchar *bytes, long count, uint codepage) {
    std::u16string units;
    for (long i = 0; i < count && bytes[i] != 0;) {
        if (codepage != CP_UTF8) {
            const uchar c = bytes[i++];
            units += c >= 0x80 && c < 0xA0 ? CP1252[c - 0x80] : static_cast<char16_t>(c);
            continue;
        }
        long taken;
        const std::uint32_t code = take_utf8(bytes + i, count - i, taken);
        i += taken;
        if (code < 0x10000)
            units += static_cast<char16_t>(code);
        else {
            units += static_cast<char16_t>(0xD800 + ((code - 0x10000) >> 10));
            units += static_cast<char16_t>(0xDC00 + ((code - 0x10000) & 0x3FF));
        }
    }
    return string(units);
}

// ---- numbers ----

namespace {
string ascii(const char *words) { return string::utf8(words); }
/// The front of a text, as far as it is ASCII.
std::string narrow(const string &from) {
    std::string made;
    for (const char16_t c : from.text()) {
        if (c >= 0x80) break;
        made += static_cast<char>(c);
    }
    return made;
}
string number(double value, const char *pattern, int precision) {
    if (std::isnan(value)) return ascii(std::signbit(value) ? "-nan(ind)" : "nan");
    if (std::isinf(value)) return ascii(value < 0 ? "-inf" : "inf");
    char words[400];
    std::snprintf(words, sizeof words, pattern, precision, value);
    return ascii(words);
}
} // namespace

string::string(bool value) : string(std::u16string(value ? u"true" : u"false")) {}
string::string(long value) : string(utf8(std::to_string(value))) {}
string::string(ulong value) : string(utf8(std::to_string(value))) {}
string::string(double value) : string(number(value, "%.*g", 16)) {
    char shortest[40]; // 0.1 and not 0.1000000000000000
    const auto end = std::to_chars(shortest, shortest + sizeof shortest, value, std::chars_format::general);
    if (std::isfinite(value) && end.ptr - shortest < length()) *this = utf8({shortest, static_cast<std::size_t>(end.ptr - shortest)});
}
long string::as_long() const { return StringToInteger(*this); }
double string::as_double() const { return StringToDouble(*this); }

string IntegerToString(long value, int length, ushort fill) {
    const std::string digits = std::to_string(value);
    std::u16string made(digits.begin(), digits.end());
    if (length > static_cast<int>(made.size())) made.insert(0, static_cast<std::size_t>(length) - made.size(), static_cast<char16_t>(fill));
    return string(made);
}
string DoubleToString(double value, int digits) {
    return digits < 0 ? number(value, "%.*e", digits < -16 ? 16 : -digits) : number(value, "%.*f", digits > 16 ? 16 : digits);
}
long StringToInteger(const string &from) { return std::strtoll(narrow(from).c_str(), nullptr, 10); }
double StringToDouble(const string &from) {
    std::string words = narrow(from);
    const std::size_t start = words.find_first_not_of(" \t");
    if (start == std::string::npos) return 0;
    std::size_t end = start; // only what is decimal: strtod alone would take "inf" and "0x1"
    while (end < words.size() && (std::isdigit(static_cast<unsigned char>(words[end])) || std::strchr("+-.eE", words[end]) != nullptr)) ++end;
    return std::strtod(words.substr(start, end - start).c_str(), nullptr);
}
double NormalizeDouble(double value, int digits) {
    if (!std::isfinite(value)) return value;
    const double scale = std::pow(10.0, digits < 0 ? 0 : digits > 8 ? 8 : digits);
    return std::round(value * scale) / scale;
}

string TimeToString(datetime value, int mode) {
    MqlDateTime t;
    TimeToStruct(value, t);
    char day[32] = "", clock[32] = "";
    if (mode & TIME_DATE) std::snprintf(day, sizeof day, "%04d.%02d.%02d", t.year, t.mon, t.day);
    if (mode & TIME_SECONDS)
        std::snprintf(clock, sizeof clock, "%02d:%02d:%02d", t.hour, t.min, t.sec);
    else if (mode & TIME_MINUTES)
        std::snprintf(clock, sizeof clock, "%02d:%02d", t.hour, t.min);
    return ascii((std::string(day) + (*day && *clock ? " " : "") + clock).c_str());
}
datetime StringToTime(const string &from) {
    MqlDateTime t{};
    const int n = std::sscanf(narrow(from).c_str(), "%d.%d.%d %d:%d:%d", &t.year, &t.mon, &t.day, &t.hour, &t.min, &t.sec);
    return n >= 3 ? StructToTime(t) : 0;
}
string CharToString(uchar code) { return text::decode(&code, 1, CP_ACP); }
string ShortToString(ushort code) { return string(std::u16string(1, static_cast<char16_t>(code))); }
string ColorToString(color value, bool) {
    char words[32];
    std::snprintf(words, sizeof words, "%u,%u,%u", value & 255, (value >> 8) & 255, (value >> 16) & 255);
    return ascii(words);
}
color StringToColor(const string &from) {
    unsigned r = 0, g = 0, b = 0;
    std::sscanf(narrow(from).c_str(), "%u,%u,%u", &r, &g, &b);
    return (r & 255) | (g & 255) << 8 | (b & 255) << 16;
}

// ---- StringFormat ----

namespace {
struct Spec {
    std::string flags; // flags, width and precision, as C writes them
    bool wide = false; // I64
    char16_t kind = 0;
};
/// After '%'; `at` is left behind the conversion.
Spec specification(const std::u16string &pattern, std::size_t &at) {
    Spec spec;
    while (at < pattern.size() && pattern[at] < 0x80 && std::strchr("+-0 #.123456789", static_cast<char>(pattern[at])) != nullptr)
        spec.flags += static_cast<char>(pattern[at++]);
    while (at < pattern.size() && (pattern[at] == 'l' || pattern[at] == 'h' || pattern[at] == 'L')) ++at; // 32 bits all the same
    if (pattern.compare(at, 3, u"I64") == 0) {
        spec.wide = true;
        at += 3;
    } else if (pattern.compare(at, 3, u"I32") == 0)
        at += 3;
    if (at < pattern.size()) spec.kind = pattern[at++];
    return spec;
}
string formatted(const Spec &spec, const text::Argument &argument) {
    char words[512];
    const char kind = spec.kind < 0x80 ? static_cast<char>(spec.kind) : '?';
    if (kind == 's') {
        if (argument.kind != text::Argument::TEXT) return ascii("(non-string passed)");
        string made = argument.words;
        const std::size_t dot = spec.flags.find('.');
        if (dot != std::string::npos) made = StringSubstr(made, 0, std::atoi(spec.flags.c_str() + dot + 1));
        const int width = std::atoi(spec.flags.c_str() + (spec.flags.starts_with('-') ? 1 : 0)) - made.length();
        const string blanks(std::u16string(width > 0 ? static_cast<std::size_t>(width) : 0, u' '));
        return spec.flags.starts_with('-') ? made + blanks : blanks + made;
    }
    if (argument.kind == text::Argument::TEXT) return ascii("(string passed)");
    if (std::strchr("eEfgGaA", kind) != nullptr) {
        if (argument.kind != text::Argument::REAL) return ascii("(integer passed)");
        std::snprintf(words, sizeof words, ("%" + spec.flags + kind).c_str(), argument.real);
        return ascii(words);
    }
    if (kind == 'c' || kind == 'C') return ShortToString(static_cast<ushort>(argument.number));
    if (std::strchr("diuxXop", kind) == nullptr || kind == 0) critical("StringFormat: unknown conversion");
    if (argument.kind == text::Argument::REAL) return ascii("(double passed)");
    const long cut = kind == 'd' || kind == 'i' ? static_cast<long>(static_cast<int>(argument.number)) : static_cast<long>(static_cast<uint>(argument.number));
    std::snprintf(words, sizeof words, ("%" + spec.flags + "l" + (kind == 'p' ? 'x' : kind)).c_str(), spec.wide ? argument.number : cut);
    return ascii(words);
}
} // namespace

string text::format(const string &pattern, const std::vector<Argument> &arguments) {
    std::u16string made;
    std::size_t next = 0;
    const std::u16string &units = pattern.text();
    for (std::size_t i = 0; i < units.size();) {
        if (units[i] != '%') {
            made += units[i++];
            continue;
        }
        if (++i < units.size() && units[i] == '%') {
            made += units[i++];
            continue;
        }
        const Spec spec = specification(units, i);
        made += next < arguments.size() ? formatted(spec, arguments[next]).text() : u"(missed parameter)";
        ++next;
    }
    return string(made);
}

// ---- output ----

namespace {
void out(const char *kind, const string &line) {
    const std::string words = line.to_utf8();
    if (!words.empty() || std::strcmp(kind, "comment") != 0) std::printf("%s\t%s\n", kind, words.c_str());
    std::fflush(stdout);
    host::tell(kind, {words});
}
} // namespace
void text::print(const string &line) { out("print", line); }
void text::alert(const string &line) { out("alert", line); }
void text::comment(const string &line) {
    static string &shown = *new string; // the panel is written many times a second: only what changed is told
    if (!shown.is_null() && shown == line) return;
    shown = line;
    host::tell("comment", {line.to_utf8()});
}

} // namespace mql
