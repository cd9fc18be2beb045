// Clocks, global variables of the terminal, facts about program and terminal.
#include "runtime.hpp"

#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace mql {

// ---- clocks ----

namespace {
long wall_shift = 0; // microseconds
const long started_at = monotonic_micros();
/// Where GetTickCount stands at the start: five seconds before it wraps.
constexpr long NEAR_WRAP = (1L << 32) - 5000;

long clock_micros(clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}
/// Days since 1970 of a date of the Gregorian calendar.
long days_of(long year, long month, long day) {
    year -= month <= 2;
    const long era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    const long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}
} // namespace

long monotonic_micros() { return clock_micros(CLOCK_MONOTONIC); }
long wall_micros() { return clock_micros(CLOCK_REALTIME) + wall_shift; }
void shift_wall_clock(long seconds) { wall_shift += seconds * 1'000'000; }

ulong GetMicrosecondCount() { return static_cast<ulong>(monotonic_micros() - started_at); }
ulong GetTickCount64() {
    const long base = quirk("tick_wrap") ? NEAR_WRAP : 1'000'000;
    return static_cast<ulong>(base + (monotonic_micros() - started_at) / 1000);
}
uint GetTickCount() { return static_cast<uint>(GetTickCount64()); }

datetime TimeGMT() {
    const long broker = host::info("time", 0); // the simulated broker lives in a time of its own
    return broker != 0 ? broker : wall_micros() / 1'000'000;
}
datetime TimeLocal() { return wall_micros() / 1'000'000 + options().zone; }
datetime TimeGMT(MqlDateTime &parts) {
    const datetime now = TimeGMT();
    TimeToStruct(now, parts);
    return now;
}
datetime TimeLocal(MqlDateTime &parts) {
    const datetime now = TimeLocal();
    TimeToStruct(now, parts);
    return now;
}
int TimeGMTOffset() { return -options().zone; } // MQL's sign: GMT less local
int TimeDaylightSavings() { return 0; }

bool TimeToStruct(datetime value, MqlDateTime &parts) {
    const time_t seconds = value;
    tm t{};
    if (value < 0 || gmtime_r(&seconds, &t) == nullptr) {
        parts = MqlDateTime{};
        return failed(4010, false); // invalid datetime
    }
    parts.year = t.tm_year + 1900, parts.mon = t.tm_mon + 1, parts.day = t.tm_mday;
    parts.hour = t.tm_hour, parts.min = t.tm_min, parts.sec = t.tm_sec;
    parts.day_of_week = t.tm_wday, parts.day_of_year = t.tm_yday;
    return true;
}
datetime StructToTime(const MqlDateTime &t) { return days_of(t.year, t.mon, t.day) * 86400 + t.hour * 3600 + t.min * 60 + t.sec; }

// ---- global variables of the terminal ----

namespace {
struct Global {
    double value;
    datetime time;
    bool temporary;
};
/// Read once, written at the end and by GlobalVariablesFlush: what is set after that is lost in a crash, as in a terminal.
struct Globals {
    std::map<std::string, Global> all;
    bool loaded = false;
    std::string path() const { return options().files + "/../gvariables.dat"; }

    std::map<std::string, Global> &get() {
        if (!loaded) {
            loaded = true;
            std::ifstream from(path());
            std::string name;
            Global g{};
            while (std::getline(from, name, '\t') && from >> g.value >> g.time && from.get() == '\n') all[name] = g;
        }
        return all;
    }
    void save() const {
        if (!loaded) return;
        std::ofstream to(path());
        to.precision(17);
        for (const auto &[name, g] : all)
            if (!g.temporary) to << name << '\t' << g.value << '\t' << g.time << '\n';
    }
};
auto &globals = *new Globals;
constexpr int GLOBALVARIABLE_NOT_FOUND = 4501, GLOBALVARIABLE_EXISTS = 4502, STRING_TOO_LONG = 5039;
} // namespace

bool GlobalVariableCheck(const string &name) { return globals.get().contains(name.to_utf8()) || failed(GLOBALVARIABLE_NOT_FOUND, false); }
bool GlobalVariableDel(const string &name) { return globals.get().erase(name.to_utf8()) > 0 || failed(GLOBALVARIABLE_NOT_FOUND, false); }
bool GlobalVariableGet(const string &name, double &value) {
    const auto found = globals.get().find(name.to_utf8());
    if (found == globals.get().end()) return failed(GLOBALVARIABLE_NOT_FOUND, false);
    found->second.time = TimeLocal();
    value = found->second.value;
    return true;
}
double GlobalVariableGet(const string &name) {
    double value = 0;
    GlobalVariableGet(name, value);
    return value;
}
datetime GlobalVariableSet(const string &name, double value) {
    if (name.length() == 0 || name.length() > 63) return failed<datetime>(STRING_TOO_LONG, 0);
    Global &g = globals.get()[name.to_utf8()];
    g.value = value;
    return g.time = TimeLocal();
}
bool GlobalVariableSetOnCondition(const string &name, double value, double check) {
    const auto found = globals.get().find(name.to_utf8());
    if (found == globals.get().end()) return failed(GLOBALVARIABLE_NOT_FOUND, false);
    if (found->second.value != check) return false;
    found->second.value = value;
    return true;
}
bool GlobalVariableTemp(const string &name) {
    if (globals.get().contains(name.to_utf8())) return failed(GLOBALVARIABLE_EXISTS, false);
    if (GlobalVariableSet(name, 0) == 0) return false;
    globals.get()[name.to_utf8()].temporary = true;
    return true;
}
datetime GlobalVariableTime(const string &name) {
    const auto found = globals.get().find(name.to_utf8());
    return found == globals.get().end() ? failed<datetime>(GLOBALVARIABLE_NOT_FOUND, 0) : found->second.time;
}
string GlobalVariableName(int index) {
    if (index < 0 || index >= GlobalVariablesTotal()) return null_value;
    return string::utf8(std::next(globals.get().begin(), index)->first);
}
int GlobalVariablesTotal() { return static_cast<int>(globals.get().size()); }
int GlobalVariablesDeleteAll(const string &prefix, datetime before) {
    return static_cast<int>(std::erase_if(globals.get(), [&](const auto &entry) {
        return entry.first.starts_with(prefix.to_utf8()) && (before == 0 || entry.second.time < before);
    }));
}
void GlobalVariablesFlush() { globals.save(); }

// ---- the program and its terminal ----

namespace {
std::string absolute_parent() { return std::filesystem::absolute(options().files).parent_path().string(); }
} // namespace

long MQLInfoInteger(ENUM_MQL_INFO_INTEGER property) {
    switch (property) {
    case MQL_MEMORY_LIMIT: return 2048;
    case MQL_MEMORY_USED: return 1;
    case MQL_DEBUG:
    case MQL_PROFILER:
    case MQL_TESTER:
    case MQL_OPTIMIZATION:
    case MQL_VISUAL_MODE:
    case MQL_FORWARD:
    case MQL_FRAME_MODE: return 0;
    case MQL_DLLS_ALLOWED: return options().dlls;
    case MQL_PROGRAM_TYPE: return PROGRAM_EXPERT;
    case MQL_CODEPAGE: return CP_ACP;
    default: return host::info("mql", property);
    }
}
string MQLInfoString(ENUM_MQL_INFO_STRING property) {
    const string name = string::utf8(mql_program_table.name);
    return property == MQL_PROGRAM_NAME ? name : string::utf8(absolute_parent()) + string(u"/Experts/MtBridge/") + name;
}
long TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER property) {
    switch (property) {
    case TERMINAL_BUILD: return mql_program_table.dialect == 5 ? 4150 : 1400;
    case TERMINAL_DLLS_ALLOWED: return options().dlls;
    case TERMINAL_CODEPAGE: return 1252;
    case TERMINAL_CPU_CORES: return sysconf(_SC_NPROCESSORS_ONLN);
    case TERMINAL_X64: return mql_program_table.dialect == 5;
    case TERMINAL_DISK_SPACE: return 100'000;
    case TERMINAL_MEMORY_PHYSICAL:
    case TERMINAL_MEMORY_TOTAL:
    case TERMINAL_MEMORY_AVAILABLE: return 4096;
    case TERMINAL_SCREEN_DPI: return 96;
    case TERMINAL_VPS:
    case TERMINAL_MQID:
    case TERMINAL_COMMUNITY_ACCOUNT:
    case TERMINAL_COMMUNITY_CONNECTION:
    case TERMINAL_EMAIL_ENABLED:
    case TERMINAL_FTP_ENABLED:
    case TERMINAL_NOTIFICATIONS_ENABLED: return 0;
    default: return host::info("terminal", property);
    }
}
string TerminalInfoString(ENUM_TERMINAL_INFO_STRING property) {
    switch (property) {
    case TERMINAL_LANGUAGE: return string(u"English");
    case TERMINAL_COMPANY: return string(u"mtbridge tests");
    case TERMINAL_NAME: return mql_program_table.dialect == 5 ? string(u"MetaTrader 5") : string(u"MetaTrader 4");
    default: return string::utf8(absolute_parent());
    }
}
double TerminalInfoDouble(ENUM_TERMINAL_INFO_DOUBLE) { return 0; }
bool SendNotification(const string &words) {
    host::tell("notify", {words.to_utf8()});
    return failed(4515, false); // none is set up
}
bool PlaySound(const string &name) {
    host::tell("sound", {name.to_utf8()});
    return true;
}

} // namespace mql
