// The string class and its functions.
#include "runtime.hpp"

namespace mql {

string string::utf8(std::string_view bytes) {
    return text::decode(reinterpret_cast<const uchar *>(bytes.data()), static_cast<long>(bytes.size()), CP_UTF8);
}
std::string string::to_utf8() const {
    const std::vector<uchar> bytes = text::encode(*this, CP_UTF8);
    return std::string(bytes.begin(), bytes.end() - 1);
}

namespace {

char16_t lower(char16_t c) {
    if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x410 && c <= 0x42F)) return static_cast<char16_t>(c + 32);
    return c;
}
char16_t upper(char16_t c) {
    if ((c >= 'a' && c <= 'z') || (c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x430 && c <= 0x44F)) return static_cast<char16_t>(c - 32);
    return c;
}
bool blank(char16_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
constexpr int ERR_INVALID_POSITION = 5040; // a position outside the text
} // namespace

int StringLen(const string &text) { return text.length(); }
int StringBufferLen(const string &text) { return text.length(); }

int StringFind(const string &text, const string &what, int start) {
    if (what.length() == 0 || start > text.length()) return -1;
    const std::size_t at = text.text().find(what.text(), static_cast<std::size_t>(start < 0 ? 0 : start));
    return at == std::u16string::npos ? -1 : static_cast<int>(at);
}

string StringSubstr(const string &text, int start, int length) {
    if (length == 0 && mql_program_table.dialect == 4) length = -1; // MQL4's default, which is "to the end" there
    if (start < 0 || start >= text.length() || length == 0) return string(u"");
    return string(text.text().substr(static_cast<std::size_t>(start), length < 0 ? std::u16string::npos : static_cast<std::size_t>(length)));
}

int StringReplace(string &text, const string &what, const string &with) {
    if (what.length() == 0) return 0;
    std::u16string made;
    std::size_t at = 0;
    int n = 0;
    while (true) {
        const std::size_t next = text.text().find(what.text(), at);
        if (next == std::u16string::npos) break;
        made += text.text().substr(at, next - at) + with.text();
        at = next + what.text().size();
        ++n;
    }
    if (n > 0) text = string(made + text.text().substr(at));
    return n;
}

bool StringToLower(string &text) {
    if (text.is_null()) return false;
    for (char16_t &c : text.change()) c = lower(c);
    return true;
}
bool StringToUpper(string &text) {
    if (text.is_null()) return false;
    for (char16_t &c : text.change()) c = upper(c);
    return true;
}

int StringCompare(const string &a, const string &b, bool case_sensitive) {
    std::u16string left = a.text(), right = b.text();
    if (!case_sensitive) {
        for (char16_t &c : left) c = lower(c);
        for (char16_t &c : right) c = lower(c);
    }
    return left < right ? -1 : right < left ? 1 : 0;
}

ushort StringGetCharacter(const string &text, int position) {
    if (position < 0 || position >= text.length()) return failed<ushort>(ERR_INVALID_POSITION, 0);
    return text[position];
}
bool StringSetCharacter(string &text, int position, ushort value) {
    if (position < 0 || position > text.length()) return failed(ERR_INVALID_POSITION, false);
    std::u16string &units = text.change();
    if (value == 0)
        units.resize(static_cast<std::size_t>(position)); // a zero cuts
    else if (position == static_cast<int>(units.size()))
        units += static_cast<char16_t>(value); // one past the end appends
    else
        units[static_cast<std::size_t>(position)] = static_cast<char16_t>(value);
    return true;
}
bool StringFill(string &text, ushort value) {
    for (char16_t &c : text.change()) c = static_cast<char16_t>(value);
    return true;
}
bool StringInit(string &text, int length, ushort value) {
    if (length < 0) return false;
    text = string(std::u16string(value == 0 ? 0 : static_cast<std::size_t>(length), static_cast<char16_t>(value)));
    return true;
}
bool StringAdd(string &text, const string &more) {
    text += more;
    return true;
}

string text::trimmed(const string &text, bool left, bool right) {
    std::size_t from = 0, to = text.text().size();
    while (left && from < to && blank(text.text()[from])) ++from;
    while (right && to > from && blank(text.text()[to - 1])) --to;
    return string(text.text().substr(from, to - from));
}
// MQL5's change their argument. MQL4's, of the same names, give the text back: they are in mql4.hpp.
int StringTrimLeft(string &text) {
    const int before = text.length();
    text = text::trimmed(text, true, false);
    return before - text.length();
}
int StringTrimRight(string &text) {
    const int before = text.length();
    text = text::trimmed(text, false, true);
    return before - text.length();
}
bool StringSetLength(string &text, uint length) {
    if (static_cast<long>(length) > text.length()) return false;
    text.change().resize(length);
    return true;
}

} // namespace mql
