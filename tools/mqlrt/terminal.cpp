// What both dialects know of account, symbols and prices: the host says it.
#include "runtime.hpp"
#include "terminal.hpp"

#include <cstring>

namespace mql {

namespace terminal {
namespace {
constexpr std::size_t SYMBOL_FIELDS = 96;
int error_of(int five, int four) { return dialect() == 4 ? four : five; }
} // namespace

int dialect() { return mql_program_table.dialect; }

Row symbol(const string &name) {
    Row row = host_look({"symbol", name.to_utf8()});
    if (row.size() == SYMBOL_FIELDS) return row;
    set_last_error(error_of(4301, 4106));
    return {};
}

std::string state(State what) {
    const Row &row = host_look({"state"});
    return row.size() > static_cast<std::size_t>(what) ? row[what] : std::string("0");
}

std::vector<Row> rows(const Row &answer, std::size_t width) {
    std::vector<Row> out;
    std::size_t count = answer.empty() ? 0 : to_u64(answer[0]);
    for (std::size_t at = 0; at < count && 1 + (at + 1) * width <= answer.size(); ++at) {
        auto from = answer.begin() + static_cast<std::ptrdiff_t>(1 + at * width);
        out.emplace_back(from, from + static_cast<std::ptrdiff_t>(width));
    }
    return out;
}

int rates(const string &name, int timeframe, int mode, long from, long to, long count, const ArrRef<MqlRates> &out) {
    if (count < 0 || from < 0) {
        set_last_error(error_of(4003, 4051));
        return -1;
    }
    Row answer = host_ask({"rates", name.to_utf8(), std::to_string(timeframe), std::to_string(mode), std::to_string(from),
                           std::to_string(to), std::to_string(count)});
    const std::string status = answer.empty() ? "1" : answer[0];
    if (status != "0") {
        // 2: it is being loaded, 3: there is none so old, 4: no such symbol.
        set_last_error(status == "4" ? error_of(4301, 4106) : status == "2" ? error_of(4401, 4066) : error_of(4401, 4073));
        return -1;
    }
    std::string packed = answer.size() > 1 ? from_hex(answer[1]) : std::string();
    int bars = static_cast<int>(packed.size() / sizeof(MqlRates));
    const ArrRef<MqlRates> &array = out;
    if (array.is_dynamic() ? array.resize(bars, 0) != bars : array.count() < bars) {
        set_last_error(error_of(4407, 4007));
        return -1;
    }
    for (int at = 0; at < bars; ++at) {
        MqlRates bar;
        std::memcpy(static_cast<void *>(&bar), packed.data() + static_cast<std::size_t>(at) * sizeof(MqlRates), sizeof bar);
        array[array.series() ? bars - 1 - at : at] = bar;
    }
    return bars;
}

Row series(const string &name, int timeframe) {
    Row answer = host_look({"series", name.to_utf8(), std::to_string(timeframe)});
    if (answer.size() == 4) return answer;
    set_last_error(error_of(4301, 4106));
    return {};
}

long series_info(const string &name, int timeframe, ENUM_SERIES_INFO_INTEGER property) {
    Row row = series(name, timeframe);
    if (row.empty()) return 0;
    switch (property) {
    case SERIES_BARS_COUNT: return to_i64(row[2]);
    case SERIES_LASTBAR_DATE: return to_i64(row[0]);
    case SERIES_SYNCHRONIZED: return to_i64(row[3]);
    default: return to_i64(row[1]);
    }
}

} // namespace terminal

using namespace terminal;

namespace {

constexpr std::size_t ACCOUNT_FIELDS = 28;

std::string account(int property) {
    const Row &row = host_look({"account"});
    return row.size() == ACCOUNT_FIELDS ? row[static_cast<std::size_t>(property)] : std::string("0");
}

/// Names, each followed by whether it stands in Market Watch, in the order of names.
std::vector<std::string> names(bool selected) {
    std::vector<std::string> out;
    for (const Row &row : rows(host_look({"symbols"}), 2))
        if (!selected || row[1] == "1") out.push_back(row[0]);
    return out;
}

bool session(const string &name, ENUM_DAY_OF_WEEK day, uint index, datetime &from, datetime &to) {
    uint found = 0;
    for (const Row &row : rows(host_look({"sessions", name.to_utf8()}), 3)) {
        if (to_i64(row[0]) != day || found++ != index) continue;
        from = to_i64(row[1]);
        to = to_i64(row[2]);
        return true;
    }
    return false;
}

} // namespace

long AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER property) { return static_cast<long>(to_u64(account(property))); }
double AccountInfoDouble(ENUM_ACCOUNT_INFO_DOUBLE property) { return to_f64(account(property)); }
string AccountInfoString(ENUM_ACCOUNT_INFO_STRING property) { return string::utf8(account(property)); }

int SymbolsTotal(bool selected) { return static_cast<int>(names(selected).size()); }

string SymbolName(int pos, bool selected) {
    std::vector<std::string> all = names(selected);
    if (pos < 0 || static_cast<std::size_t>(pos) >= all.size()) return string::utf8("");
    return string::utf8(all[static_cast<std::size_t>(pos)]);
}

bool SymbolSelect(const string &name, bool select) {
    Row answer = host_ask({"select", name.to_utf8(), select ? "1" : "0"});
    host_forget();
    if (!answer.empty() && answer[0] == "0") return true;
    set_last_error(dialect() == 4 ? 4106 : static_cast<int>(to_i64(answer.size() > 1 ? answer[1] : "4305")));
    return false;
}

bool SymbolIsSynchronized(const string &name) { return !symbol(name).empty() && state(LINK) == "1"; }

bool SymbolInfoInteger(const string &name, ENUM_SYMBOL_INFO_INTEGER property, long &out) {
    if (property == SYMBOL_EXIST) {
        Row row = host_look({"symbol", name.to_utf8()});
        out = row.size() > 1;
        return true;
    }
    Row row = symbol(name);
    if (row.empty()) return false;
    if (property == SYMBOL_TIME_MSC) {
        Row tick = host_look({"tick", name.to_utf8()});
        out = tick.size() == 8 ? to_i64(tick[5]) : 0;
        return true;
    }
    out = to_i64(row[static_cast<std::size_t>(property)]);
    return true;
}

bool SymbolInfoDouble(const string &name, ENUM_SYMBOL_INFO_DOUBLE property, double &out) {
    Row row = symbol(name);
    if (row.empty()) return false;
    out = to_f64(row[static_cast<std::size_t>(property)]);
    return true;
}

bool SymbolInfoString(const string &name, ENUM_SYMBOL_INFO_STRING property, string &out) {
    Row row = symbol(name);
    if (row.empty()) return false;
    out = string::utf8(row[static_cast<std::size_t>(property)]);
    return true;
}

long SymbolInfoInteger(const string &name, ENUM_SYMBOL_INFO_INTEGER property) {
    long out = 0;
    SymbolInfoInteger(name, property, out);
    return out;
}

double SymbolInfoDouble(const string &name, ENUM_SYMBOL_INFO_DOUBLE property) {
    double out = 0;
    SymbolInfoDouble(name, property, out);
    return out;
}

string SymbolInfoString(const string &name, ENUM_SYMBOL_INFO_STRING property) {
    string out = string::utf8("");
    SymbolInfoString(name, property, out);
    return out;
}

bool SymbolInfoSessionTrade(const string &name, ENUM_DAY_OF_WEEK day, uint index, datetime &from, datetime &to) {
    return session(name, day, index, from, to);
}

bool SymbolInfoSessionQuote(const string &name, ENUM_DAY_OF_WEEK day, uint index, datetime &from, datetime &to) {
    return session(name, day, index, from, to);
}

datetime TimeCurrent() { return to_i64(state(TICK_S)); }

namespace host {

long info(const char *group, int property) {
    const std::string of = group;
    if (host_fd() < 0) return 0;
    if (of == "time") return to_i64(state(BROKER_MS)) / 1000 - to_i64(state(UTC_OFFSET));
    if (of == "mql") return property == MQL_TRADE_ALLOWED ? to_i64(state(EA_ALLOWED)) : 0;
    switch (property) {
    case TERMINAL_CONNECTED: return to_i64(state(LINK));
    case TERMINAL_TRADE_ALLOWED: return to_i64(state(TERMINAL_ALLOWED));
    case TERMINAL_PING_LAST: return to_i64(state(PING));
    case TERMINAL_BUILD: return to_i64(state(BUILD));
    case TERMINAL_MAXBARS: return 100'000;
    default: return 0;
    }
}

} // namespace host

} // namespace mql
