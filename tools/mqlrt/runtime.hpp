// Inside the runtime: what its parts say to each other. Never included by translated programs.
#pragma once

#include "mql.hpp"
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mql {

/// The command line. `mqlrt [--host A:P] [--files DIR] [--common DIR] [--symbol S] [--period M1…MN1] [--zone SECONDS]
/// [--tls-ca FILE] [--allow ADDRESS]… [--no-dlls] [--disk-room BYTES] [--input name=value]… [--quirk name=on|off]…`
struct Options {
    std::string host;
    std::string files = "Files";
    std::string common; // "": <files>.common
    std::string symbol = "EURUSD";
    int period_minutes = 60;
    int zone = 19800; // the PC's zone in seconds east of UTC: neither UTC nor the broker's
    std::string tls_ca;
    std::vector<std::string> allowed; // empty: every address may be connected to
    bool dlls = true;
    std::vector<std::string> inputs;
};
const Options &options();
/// For E3b's events that change the chart, and for self-tests.
Options &mutable_options();

// ---- the event loop ----
/// Runs in the program's one thread, after what is queued already.
void post_event(std::function<void()> event);
/// REASON_CHARTCHANGE, PARAMETERS, ACCOUNT: OnDeinit and OnInit in the same process, globals kept, as in MetaTrader.
/// REASON_RECOMPILE and TEMPLATE: OnDeinit, then the process executes itself anew. All others end the process after OnDeinit.
void request_deinit(int reason);
/// Lets the loop of the running call take in what the host pushed (for waits inside builtins).
void pump_host();
/// Marks the next GetMicrosecondCount etc. as before, but the wall clock moved: what a suspended machine looks like.
void shift_wall_clock(long seconds);
/// Unix time in microseconds, with the shift.
long wall_micros();
long monotonic_micros();

// ---- quirks, all on unless --quirk name=off ----
/// bogus_readable, short_reads, short_writes, slow_timer, tick_wrap, write_buffer, flush_rule, deinit_limit are on by default;
/// connect_blackhole, connect_refused are off. An unknown name is an error.
bool quirk(const char *name);
bool set_quirk(const std::string &name, bool on);
/// Breaks every connection of the program to anything but the host, at once and without a close.
void cut_sockets();
/// How many more bytes the disk takes; below zero: as many as there is room for.
void set_disk_room(long bytes);
namespace files {
/// What the terminal does for a program that leaves files open at its end.
void flush_all();
} // namespace files
/// 0 … n-1, the same in every run with the same `--seed`.
long chance(long n);

// ---- charts ----
struct ChartState {
    long id;
    std::string symbol;
    int period_minutes;
};
/// The first is the program's own.
std::vector<ChartState> &charts();
void set_chart(const std::string &symbol, int period_minutes);
int period_of_minutes(int minutes); // in the numbers of the program's dialect

// ---- what the host half defines (weak versions that do nothing: mql_host_weak.cpp) ----
namespace host {
/// Connects to `options().host`; false ends the process.
bool open();
/// For poll; -1 without a host.
int descriptor();
/// Takes in what the host sent, without waiting, and turns it into post_event and the like.
void pump();
/// One way: print, alert, comment, object, chart, sound, notify, critical, leak, event.
void tell(const char *kind, const std::vector<std::string> &fields);
/// A place where the host may kill, hang or cut: FileFlush, FileWrite, SocketSend, SocketConnect, OnInit, OnDeinit….
void point(const char *name);
/// A broker's or the terminal's fact: group "terminal" or "mql" with a property in the numbers of mql_system.hpp; group "time",
/// property 0: the broker's GMT in seconds, 0 for the machine's.
long info(const char *group, int property);
} // namespace host

/// Sets _LastError and gives the value: `return failed(5004, INVALID_HANDLE)`.
template <class T> T failed(int code, T value) {
    set_last_error(code);
    return value;
}

// ---- connections (mql_net.cpp) ----
namespace net {
struct Outcome {
    int descriptor = -1; // not blocking; -1: it failed
    int error = 0;       // errno
};
/// Looks the name up and connects, for at most so long. Subject to connect_blackhole and connect_refused.
Outcome connect(const std::string &host, const std::string &port, long timeout_ms);
/// Waits for an event of poll. False: time is up.
bool wait(int descriptor, short events, long timeout_ms);
/// Tells cut_sockets of a connection; `forget` before it is closed.
void remember(int descriptor);
void forget(int descriptor);
} // namespace net

// ---- TLS (mql_tls.cpp) ----
namespace tls {
struct Connection;
bool available();
/// nullptr if the handshake failed or the certificate is not trusted.
Connection *handshake(int descriptor, const std::string &host, long timeout_ms);
/// Bytes; 0: none now; -1: broken or closed.
long read(Connection *connection, void *to, long most);
/// Bytes; 0: would block; -1: broken.
long write(Connection *connection, const void *from, long count);
long pending(Connection *connection);
struct Certificate {
    std::string subject, issuer, serial, thumbprint;
    long expiration = 0;
};
bool certificate(Connection *connection, Certificate &facts);
void end(Connection *connection);
} // namespace tls

} // namespace mql
