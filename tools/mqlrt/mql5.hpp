// What only MQL5 has, or has in a shape of its own.
#pragma once
#pragma GCC system_header

#include "mql.hpp"

namespace mql {

enum ENUM_TIMEFRAMES : int {
    PERIOD_CURRENT = 0, PERIOD_M1 = 1, PERIOD_M2 = 2, PERIOD_M3 = 3, PERIOD_M4 = 4, PERIOD_M5 = 5, PERIOD_M6 = 6, PERIOD_M10 = 10, PERIOD_M12 = 12,
    PERIOD_M15 = 15, PERIOD_M20 = 20, PERIOD_M30 = 30, PERIOD_H1 = 0x4001, PERIOD_H2 = 0x4002, PERIOD_H3 = 0x4003, PERIOD_H4 = 0x4004, PERIOD_H6 = 0x4006,
    PERIOD_H8 = 0x4008, PERIOD_H12 = 0x400C, PERIOD_D1 = 0x4018, PERIOD_W1 = 0x8001, PERIOD_MN1 = 0xC001
};
inline ENUM_TIMEFRAMES Period() { return static_cast<ENUM_TIMEFRAMES>(chart_period(0)); }
inline ENUM_TIMEFRAMES ChartPeriod(long chart = 0) { return static_cast<ENUM_TIMEFRAMES>(chart_period(chart)); }
/// Not a macro: the standard library has parameters of this name.
inline constexpr struct CurrentPeriod {
    operator ENUM_TIMEFRAMES() const { return Period(); }
} _Period;
/// A month counts as 30 days.
inline int PeriodSeconds(ENUM_TIMEFRAMES period = PERIOD_CURRENT) {
    const int code = period == PERIOD_CURRENT ? Period() : period, units = code & 0x3FFF;
    switch (code >> 14) {
    case 0: return units * 60;
    case 1: return units * 3600;
    case 2: return units * 604'800;
    default: return units * 2'592'000;
    }
}

/// Does not clear the error: ResetLastError does.
inline int GetLastError() { return _LastError; }
ulong GetTickCount64();
int StringTrimLeft(string &text);
int StringTrimRight(string &text);
bool StringSetLength(string &text, uint length);
template <class... A> int StringConcatenate(string &result, const A &...values) {
    result = text::joined(values...);
    return result.length();
}

template <class A> bool ArrayRemove(A &&array, uint start, uint count = 0xFFFFFFFFu) {
    const long size = array.count();
    if (static_cast<long>(start) > size) return false;
    const long n = std::min<long>(count, size - start);
    for (long i = start; i + n < size; ++i) array[i] = array[i + n];
    return array.resize(static_cast<int>(size - n), 0) >= 0;
}
template <class D, class S> bool ArrayInsert(D &&to, const S &from, uint to_start, uint from_start = 0, uint count = 0xFFFFFFFFu) {
    const long size = to.count();
    if (static_cast<long>(to_start) > size || static_cast<long>(from_start) > from.count()) return false;
    const long n = std::min<long>(count, from.count() - from_start);
    if (to.resize(static_cast<int>(size + n), 0) < 0) return false;
    for (long i = size - 1; i >= static_cast<long>(to_start); --i) to[i + n] = to[i];
    for (long i = 0; i < n; ++i) to[to_start + i] = from[from_start + i];
    return true;
}
template <class T> bool ArraySwap(DynArr<T> &a, DynArr<T> &b) {
    DynArr<T> c(a);
    a = b;
    b = c;
    return true;
}
/// Simple structures only; grows the array.
template <class T, class A> bool StructToCharArray(const T &value, A &&to, uint start = 0) {
    static_assert(std::is_trivially_copyable_v<T>, "simple structures only");
    static_assert(ByteArray<std::remove_cvref_t<A>>);
    const long end = static_cast<long>(start) + static_cast<long>(sizeof(T));
    if (end > to.count() && to.resize(static_cast<int>(end), 0) < 0) return false;
    std::memcpy(to.data() + start, &value, sizeof(T));
    return true;
}
template <class T, ByteArray A> bool CharArrayToStruct(T &value, const A &from, uint start = 0) {
    static_assert(std::is_trivially_copyable_v<T>, "simple structures only");
    if (static_cast<long>(start) + static_cast<long>(sizeof(T)) > from.count()) return false;
    std::memcpy(&value, from.data() + start, sizeof(T));
    return true;
}

// ---- sockets ----
inline constexpr uint SOCKET_DEFAULT = 0;
int SocketCreate(uint flags = SOCKET_DEFAULT);
bool SocketClose(int socket);
/// Blocks up to the whole time-out, and the EA stands still.
bool SocketConnect(int socket, const string &server, uint port, uint timeout_ms);
bool SocketIsConnected(int socket);
/// Bytes there are; with an empty buffer a bogus 1; 0 on an error or after the other side's end.
uint SocketIsReadable(int socket);
bool SocketIsWritable(int socket);
bool SocketTimeouts(int socket, uint send_ms, uint receive_ms);
/// Waits for the whole amount; what came until the time-out, -1 if nothing did and on an error.
int SocketRead(int socket, const ArrRef<uchar> &to, uint most, uint timeout_ms);
/// May take less than all. -1 on an error.
int SocketSend(int socket, const CArr<uchar> &from, uint count);
bool SocketTlsHandshake(int socket, const string &host);
int SocketTlsRead(int socket, const ArrRef<uchar> &to, uint most);
/// Never waits: 0 nothing yet, -1 broken.
int SocketTlsReadAvailable(int socket, const ArrRef<uchar> &to, uint most);
int SocketTlsSend(int socket, const CArr<uchar> &from, uint count);
int SocketTlsCertificate(int socket, string &subject, string &issuer, string &serial, string &thumbprint, datetime &expiration);

} // namespace mql

#if __has_include("terminal5.hpp")
#include "terminal5.hpp"
#endif

// Again and last of all: headers of the standard library, included since mql.hpp, may have given NULL its meaning in C++.
#undef NULL
#define NULL (::mql::null_value)
