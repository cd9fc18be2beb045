// Clocks, timer, global variables of the terminal, cryptography, facts about the program and its terminal.
#pragma once
#pragma GCC system_header

#include "mql_array.hpp"
#include "mql_string.hpp"
#include <vector>

namespace mql {

// ---- clocks ----
struct MqlDateTime {
    MQL_AGGREGATE(MqlDateTime)
    int year, mon, day, hour, min, sec, day_of_week, day_of_year;
};
/// Milliseconds; it starts just below 2^32, so that whoever compares without care fails within seconds.
uint GetTickCount();
/// Microseconds since the program was started.
ulong GetMicrosecondCount();
/// The clock of the PC in its own zone (`--zone SECONDS` east of UTC). TimeGMT is the broker's where there is a host.
datetime TimeLocal();
datetime TimeLocal(MqlDateTime &parts);
datetime TimeGMT();
datetime TimeGMT(MqlDateTime &parts);
int TimeGMTOffset();
int TimeDaylightSavings();
bool TimeToStruct(datetime value, MqlDateTime &parts);
datetime StructToTime(const MqlDateTime &parts);
void Sleep(int milliseconds);
bool IsStopped();
bool EventSetTimer(int seconds);
bool EventSetMillisecondTimer(int milliseconds);
void EventKillTimer();
bool EventChartCustom(long chart, ushort id, long lparam, double dparam, const string &sparam);

// ---- global variables of the terminal: doubles by name, kept in the folder of the files ----
bool GlobalVariableCheck(const string &name);
bool GlobalVariableDel(const string &name);
double GlobalVariableGet(const string &name);
bool GlobalVariableGet(const string &name, double &value);
datetime GlobalVariableSet(const string &name, double value);
bool GlobalVariableSetOnCondition(const string &name, double value, double check);
bool GlobalVariableTemp(const string &name);
datetime GlobalVariableTime(const string &name);
string GlobalVariableName(int index);
int GlobalVariablesTotal();
int GlobalVariablesDeleteAll(const string &prefix = null_value, datetime before = 0);
void GlobalVariablesFlush();

// ---- cryptography ----
enum ENUM_CRYPT_METHOD : int {
    CRYPT_BASE64 = 0, CRYPT_AES128 = 1, CRYPT_AES256 = 2, CRYPT_DES = 3, CRYPT_HASH_SHA1 = 4, CRYPT_HASH_SHA256 = 5, CRYPT_HASH_MD5 = 6, CRYPT_ARCH_ZIP = 7
};
namespace crypto {
/// Empty if the method is not modelled.
std::vector<uchar> encode(int method, const uchar *data, long count);
std::vector<uchar> decode(int method, const uchar *data, long count);
} // namespace crypto
int crypt_result(const std::vector<uchar> &made, const ArrRef<uchar> &result);
inline int CryptEncode(ENUM_CRYPT_METHOD method, const CArr<uchar> &data, const CArr<uchar> &, const ArrRef<uchar> &result) {
    return crypt_result(crypto::encode(method, data.data(), data.count()), result);
}
inline int CryptDecode(ENUM_CRYPT_METHOD method, const CArr<uchar> &data, const CArr<uchar> &, const ArrRef<uchar> &result) {
    return crypt_result(crypto::decode(method, data.data(), data.count()), result);
}

// ---- the program and its terminal ----
enum ENUM_MQL_INFO_INTEGER : int {
    MQL_MEMORY_LIMIT, MQL_MEMORY_USED, MQL_HANDLES_USED, MQL_DEBUG, MQL_PROFILER, MQL_TESTER, MQL_OPTIMIZATION, MQL_VISUAL_MODE, MQL_FORWARD, MQL_DLLS_ALLOWED,
    MQL_TRADE_ALLOWED, MQL_SIGNALS_ALLOWED, MQL_LICENSE_TYPE, MQL_PROGRAM_TYPE, MQL_FRAME_MODE, MQL_CODEPAGE
};
enum ENUM_MQL_INFO_STRING : int { MQL_PROGRAM_NAME, MQL_PROGRAM_PATH };
enum ENUM_TERMINAL_INFO_INTEGER : int {
    TERMINAL_BUILD, TERMINAL_COMMUNITY_ACCOUNT, TERMINAL_COMMUNITY_CONNECTION, TERMINAL_CONNECTED, TERMINAL_DLLS_ALLOWED, TERMINAL_TRADE_ALLOWED,
    TERMINAL_EMAIL_ENABLED, TERMINAL_FTP_ENABLED, TERMINAL_NOTIFICATIONS_ENABLED, TERMINAL_MAXBARS, TERMINAL_MQID, TERMINAL_CODEPAGE, TERMINAL_CPU_CORES,
    TERMINAL_DISK_SPACE, TERMINAL_MEMORY_PHYSICAL, TERMINAL_MEMORY_TOTAL, TERMINAL_MEMORY_AVAILABLE, TERMINAL_MEMORY_USED, TERMINAL_X64,
    TERMINAL_OPENCL_SUPPORT, TERMINAL_SCREEN_DPI, TERMINAL_PING_LAST, TERMINAL_VPS
};
enum ENUM_TERMINAL_INFO_STRING : int { TERMINAL_LANGUAGE, TERMINAL_COMPANY, TERMINAL_NAME, TERMINAL_PATH, TERMINAL_DATA_PATH, TERMINAL_COMMONDATA_PATH };
enum ENUM_TERMINAL_INFO_DOUBLE : int { TERMINAL_COMMUNITY_BALANCE, TERMINAL_RETRANSMISSION };
enum ENUM_PROGRAM_TYPE : int { PROGRAM_SCRIPT = 1, PROGRAM_EXPERT = 2, PROGRAM_INDICATOR = 4, PROGRAM_SERVICE = 5 };
long MQLInfoInteger(ENUM_MQL_INFO_INTEGER property);
string MQLInfoString(ENUM_MQL_INFO_STRING property);
long TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER property);
string TerminalInfoString(ENUM_TERMINAL_INFO_STRING property);
double TerminalInfoDouble(ENUM_TERMINAL_INFO_DOUBLE property);
int UninitializeReason();
bool TerminalClose(int code);
/// Ends the program after the running event, with REASON_PROGRAM.
void ExpertRemove();
bool SendNotification(const string &words);
bool PlaySound(const string &file);

} // namespace mql
