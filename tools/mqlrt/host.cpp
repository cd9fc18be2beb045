// One TCP connection, lines of tab-separated text. `?name …` asks, `=…` answers, `.name …` tells, `!name …` is pushed.
#include "host.hpp"
#include "runtime.hpp"
#include "terminal.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

/// Only in builds that count their lines.
extern "C" __attribute__((weak)) void __gcov_dump();

namespace mql {
namespace {

int g_socket = -1;
// Never destroyed: what leaked is told after everything global has ended.
std::string &g_received = *new std::string;
std::deque<Row> &g_answers = *new std::deque<Row>;
std::deque<HostEvent> &g_events = *new std::deque<HostEvent>;
std::map<Row, Row> &g_looked = *new std::map<Row, Row>;
std::set<std::string> &g_points = *new std::set<std::string>;

[[noreturn]] void gone(const char *why) {
    std::fprintf(stderr, "mqlrt: the host is gone: %s\n", why);
    std::fflush(stderr);
    // Tests mostly end so, and the end of their terminal must not lose the counts.
    ::signal(SIGUSR1, SIG_IGN);
    if (&__gcov_dump != nullptr) __gcov_dump();
    std::_Exit(71);
}

std::string escaped(const std::string &field) {
    std::string out;
    out.reserve(field.size());
    for (char one : field) {
        switch (one) {
        case '\t': out += "\\t"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\\': out += "\\\\"; break;
        default: out += one;
        }
    }
    return out;
}

Row split(std::string_view line) {
    Row fields(1);
    for (std::size_t at = 0; at < line.size(); ++at) {
        char one = line[at];
        if (one == '\t') {
            fields.emplace_back();
        } else if (one == '\\' && at + 1 < line.size()) {
            char next = line[++at];
            fields.back() += next == 't' ? '\t' : next == 'n' ? '\n' : next == 'r' ? '\r' : next;
        } else {
            fields.back() += one;
        }
    }
    return fields;
}

void send_line(char kind, const Row &fields) {
    std::string line(1, kind);
    for (std::size_t at = 0; at < fields.size(); ++at) {
        if (at > 0) line += '\t';
        line += escaped(fields[at]);
    }
    line += '\n';
    for (std::size_t sent = 0; sent < line.size();) {
        ssize_t more = ::send(g_socket, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) gone(std::strerror(errno));
        sent += static_cast<std::size_t>(more);
    }
}

void take_lines() {
    std::size_t from = 0;
    for (std::size_t end; (end = g_received.find('\n', from)) != std::string::npos; from = end + 1) {
        if (end == from) continue;
        Row fields = split(std::string_view(g_received).substr(from + 1, end - from - 1));
        if (g_received[from] == '=') {
            g_answers.push_back(std::move(fields));
        } else if (g_received[from] == '!') {
            std::string name = fields.front();
            fields.erase(fields.begin());
            if (name == "points") {
                g_points = {fields.begin(), fields.end()};
            } else {
                g_events.push_back({std::move(name), std::move(fields)});
            }
        }
    }
    g_received.erase(0, from);
}

/// One read; false if there was nothing and `wait` is false.
bool receive(bool wait) {
    char buffer[65536];
    for (;;) {
        ssize_t got = ::recv(g_socket, buffer, sizeof buffer, wait ? 0 : MSG_DONTWAIT);
        if (got > 0) {
            g_received.append(buffer, static_cast<std::size_t>(got));
            take_lines();
            return true;
        }
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
        gone(got == 0 ? "it closed the connection" : std::strerror(errno));
    }
}

} // namespace

void host_open(const std::string &address, int dialect) {
    std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) gone("the address must be HOST:PORT");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::strtoul(address.c_str() + colon + 1, nullptr, 10)));
    if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1) gone("the address must be numeric");
    g_socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (g_socket < 0 || ::connect(g_socket, reinterpret_cast<sockaddr *>(&to), sizeof to) != 0) gone(std::strerror(errno));
    int on = 1;
    ::setsockopt(g_socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    host_ask({"hello", std::to_string(dialect)});
}

int host_fd() { return g_socket; }

void host_pump() {
    while (g_socket >= 0 && receive(false)) {
    }
}

bool host_event(HostEvent &out) {
    if (g_events.empty()) return false;
    out = std::move(g_events.front());
    g_events.pop_front();
    return true;
}

void host_begin_turn() { g_looked.clear(); }

void host_forget() { g_looked.clear(); }

Row host_ask(const Row &request) {
    if (g_socket < 0) gone("the program runs without one");
    send_line('?', request);
    while (g_answers.empty()) receive(true);
    Row answer = std::move(g_answers.front());
    g_answers.pop_front();
    return answer;
}

const Row &host_look(const Row &request) {
    auto found = g_looked.find(request);
    if (found == g_looked.end()) found = g_looked.emplace(request, host_ask(request)).first;
    return found->second;
}

void host_tell(const Row &message) {
    if (g_socket >= 0) send_line('.', message);
}

void host_point(const char *name) {
    if (g_points.empty()) return;
    if (!g_points.contains(name)) return;
    const Row answer = host_ask({"point", name});
    if (answer.size() >= 2 && answer[0] == "wall") shift_wall_clock(to_i64(answer[1]));
}

std::int64_t to_i64(const std::string &field) { return std::strtoll(field.c_str(), nullptr, 10); }

std::uint64_t to_u64(const std::string &field) { return std::strtoull(field.c_str(), nullptr, 10); }

double to_f64(const std::string &field) { return std::strtod(field.c_str(), nullptr); }

std::string of_f64(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}

std::string from_hex(const std::string &field) {
    auto digit = [](char one) { return one <= '9' ? one - '0' : one - 'a' + 10; };
    std::string out(field.size() / 2, '\0');
    for (std::size_t at = 0; at < out.size(); ++at)
        out[at] = static_cast<char>(digit(field[2 * at]) * 16 + digit(field[2 * at + 1]));
    return out;
}

// ---- what the event loop calls ----

namespace {

/// What of the host's words is no event of the program's account.
bool is_for_runtime(const HostEvent &event) {
    const Row &f = event.fields;
    if (event.name == "deinit" && f.size() >= 1) {
        request_deinit(static_cast<int>(to_i64(f[0])));
    } else if (event.name == "cut") {
        cut_sockets();
    } else if (event.name == "wall" && f.size() >= 1) {
        shift_wall_clock(to_i64(f[0]));
    } else if (event.name == "disk" && f.size() >= 1) {
        set_disk_room(to_i64(f[0]));
    } else if (event.name == "quirk" && f.size() >= 2) {
        set_quirk(f[0], f[1] == "on");
    } else if (event.name == "chart" && f.size() >= 4) {
        post_event([f] {
            const auto handler = mql_program_table.OnChartEvent;
            if (handler != nullptr)
                handler(static_cast<int>(to_i64(f[0])), to_i64(f[1]), to_f64(f[2]), string::utf8(f[3]));
        });
    } else {
        return false;
    }
    return true;
}

} // namespace

namespace host {

bool open() {
    if (options().host.empty()) return false;
    host_open(options().host, mql_program_table.dialect);
    return true;
}

int descriptor() { return host_fd(); }

void pump() {
    // Between two events of the program the broker goes on.
    host_begin_turn();
    host_pump();
    HostEvent event;
    while (host_event(event)) {
        if (is_for_runtime(event)) continue;
        post_event([event] {
            host_begin_turn();
            terminal::dispatch(event);
        });
    }
}

void tell(const char *kind, const std::vector<std::string> &fields) {
    Row message = fields;
    message.insert(message.begin(), kind);
    host_tell(message);
}

void point(const char *name) { host_point(name); }

} // namespace host

} // namespace mql
