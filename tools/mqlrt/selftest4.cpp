// What the runtime promises to MQL4 programs beyond that: ws2_32 and the error that is cleared by looking.
#include "mql4.hpp"
#include "selftest.hpp"

namespace mql_program {
using namespace mql;

template <class... A> int ws(const char *function, A &&...arguments) { return dll_call<int>("ws2_32.dll", function, std::forward<A>(arguments)...); }

void address_of(Fix<uchar, 16> &address, unsigned short port) {
    address = {2, 0, static_cast<uchar>(port >> 8), static_cast<uchar>(port & 255), 127, 0, 0, 1};
}
int unblocked() {
    const int s = ws("socket", 2, 1, 6);
    int on = 1;
    CHECK(s > 0 && ws("ioctlsocket", s, static_cast<int>(0x8004667E), dll_out(on)) == 0 && ws("setsockopt", s, 6, 1, dll_out(on), 4) == 0);
    return s;
}
/// Waits; gives 1 for writable, -1 for failed, 0 for neither.
int progress(int s, int milliseconds) {
    Fix<int, 65> nothing = {0}, writable = {1, s}, broken = {1, s};
    Fix<int, 2> wait = {0, milliseconds * 1000};
    const int n = ws("select", 0, nothing, writable, broken, wait);
    CHECK(n == writable[0] + broken[0] && nothing[0] == 0);
    return broken[0] > 0 ? -1 : writable[0];
}

void nothing_works_before_the_start() {
    CHECK(ws("socket", 2, 1, 6) == -1 && ws("WSAGetLastError") == 10093);
    Fix<uchar, 400> data;
    Fix<uchar, 399> small;
    CHECK(ws("WSAStartup", 0x0202, data) == 0 && dies([&] { ws("WSAStartup", 0x0202, small); }));
}

void bytes_go_both_ways_without_blocking() {
    const Listener hub;
    const int s = unblocked();
    Fix<uchar, 16> address;
    address_of(address, hub.port);
    CHECK(ws("connect", s, address, 16) == -1 && ws("WSAGetLastError") == 10035);
    const int there = hub.take();
    CHECK(progress(s, 1000) == 1);
    DynArr<uchar> got;
    ArrayResize(got, 8);
    CHECK(ws("recv", s, got, 8, 0) == -1 && ws("WSAGetLastError") == 10035);
    CHECK(send(there, "abc", 3, 0) == 3);
    int n = 0;
    while (n < 3) {
        const int more = ws("recv", s, got, 8, 0);
        CHECK(more > 0 || (more == -1 && ws("WSAGetLastError") == 10035));
        n += std::max(more, 0);
    }
    set_quirk("short_writes", false);
    CHECK(ws("send", s, got, 3, 0) == 3 && wait_readable(there) && dies([&] { ws("send", s, got, 9, 0); }) && dies([&] { ws("recv", s, got, 9, 0); }));
    set_quirk("short_writes", true);
    char read_first[3]; // else the close is a reset
    CHECK(recv(there, read_first, 3, 0) == 3);
    close(there);
    int end;
    while ((end = ws("recv", s, got, 8, 0)) == -1) CHECK(ws("WSAGetLastError") == 10035);
    CHECK(end == 0 && ws("closesocket", s) == 0 && ws("recv", s, got, 8, 0) == -1 && ws("WSAGetLastError") == 10038);
}

void a_refused_connection_is_told_in_the_set_of_errors() {
    Fix<uchar, 16> address;
    {
        const Listener gone;
        address_of(address, gone.port);
    }
    const int s = unblocked();
    const int result = ws("connect", s, address, 16);
    CHECK(result == -1 && (ws("WSAGetLastError") == 10061 || progress(s, 1000) == -1) && ws("closesocket", s) == 0);
    set_quirk("connect_blackhole", true);
    const int silent = unblocked();
    CHECK(ws("connect", silent, address, 16) == -1 && ws("WSAGetLastError") == 10035 && progress(silent, 20) == 0);
    set_quirk("connect_blackhole", false);
    CHECK(ws("closesocket", silent) == 0);
}

void a_name_is_looked_up_by_windows() {
    const Listener hub;
    const int s = ws("socket", 2, 1, 6);
    Fix<int, 2> wait = {1, 0};
    CHECK(ws("WSAConnectByNameW", s, "localhost"_s, IntegerToString(hub.port), 0, 0, 0, 0, wait, 0) == 1);
    const int there = hub.take();
    Fix<uchar, 4> data = {1, 2, 3, 4};
    CHECK(there >= 0 && ws("send", s, data, 1, 0) == 1 && wait_readable(there));
    cut_sockets();
    CHECK(ws("send", s, data, 4, 0) == -1 && ws("WSAGetLastError") == 10053);
    close(there);
    CHECK(ws("WSAConnectByNameW", s, "no.such.name.invalid"_s, "1"_s, 0, 0, 0, 0, wait, 0) == 0 && ws("WSAGetLastError") == 11001);
    CHECK(ws("WSACleanup") == 0 && dies([] { dll_call<int>("kernel32.dll", "Beep"); }));
}

int OnInit() {
    nothing_works_before_the_start();
    bytes_go_both_ways_without_blocking();
    a_refused_connection_is_told_in_the_set_of_errors();
    a_name_is_looked_up_by_windows();
    SetUserError(3);
    CHECK(GetLastError() == 65539 && GetLastError() == 0);
    CHECK(StringTrimLeft("  a "_s) == "a "_s && StringConcatenate("a"_s, 1, true) == "a1true"_s && Period() == 60);
    CHECK(StringSubstr("abc"_s, 1, 0) == "bc"_s);
    ExpertRemove();
    return INIT_SUCCEEDED;
}
void OnDeinit(const int reason) {
    CHECK(reason == REASON_PROGRAM);
    std::printf("all is so\n");
}
} // namespace mql_program

const mql::Program mql_program_table = {.dialect = 4,
                                        .name = "SelfTest",
                                        .OnInit = mql::on_init<&mql_program::OnInit>,
                                        .OnDeinit = mql_program::OnDeinit,
                                        .OnTick = nullptr,
                                        .OnTimer = nullptr,
                                        .OnTrade = nullptr,
                                        .OnTradeTransaction = nullptr,
                                        .OnChartEvent = nullptr,
                                        .OnBookEvent = nullptr};
