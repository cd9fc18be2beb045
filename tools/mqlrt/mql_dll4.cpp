// ws2_32.dll for MQL4: POSIX behind the numbers and the 32-bit layouts of Windows. A buffer that is smaller than the length given
// with it would overwrite memory in a terminal: here it is a critical error.
#include "runtime.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace mql {

namespace {
constexpr long SOCKET_ERROR = -1, INVALID_SOCKET = -1;
constexpr int WSAEINTR = 10004, WSAEINVAL = 10022, WSAEWOULDBLOCK = 10035, WSAENOTSOCK = 10038, WSAENOPROTOOPT = 10042, WSAETIMEDOUT = 10060,
              WSAECONNREFUSED = 10061, WSANOTINITIALISED = 10093, WSAHOST_NOT_FOUND = 11001;

int wsa_error = 0;
int started = 0;
auto &sockets = *new std::map<long, int>; // Windows' handle and ours
long last_handle = 0x100;                  // handles are multiples of four

const char *running = "";
struct Arguments {
    DllArgument *all;
    int count;

    long number(int i) const { return i < count ? all[i].number : 0; }
    int integer(int i) const { return static_cast<int>(number(i)); }
    bool absent(int i) const { return i >= count || (all[i].kind == DllArgument::NUMBER && all[i].number == 0); }
    /// The memory of an argument, at least so long.
    char *memory(int i, long bytes) const {
        if (i >= count || all[i].kind != DllArgument::MEMORY) critical((std::string(running) + ": argument " + std::to_string(i + 1) + " must be an array").c_str());
        if (all[i].bytes < bytes)
            critical((std::string(running) + ": argument " + std::to_string(i + 1) + " has " + std::to_string(all[i].bytes) + " bytes, the call uses " +
                      std::to_string(bytes))
                         .c_str());
        return static_cast<char *>(all[i].memory);
    }
    std::string words(int i) const {
        if (i >= count || all[i].kind != DllArgument::TEXT) return {};
        return string(std::u16string(all[i].text)).to_utf8();
    }
};

long wsa_failed(int error) {
    wsa_error = error;
    return SOCKET_ERROR;
}
int of_errno(int error) {
    switch (error) {
    case EAGAIN: return WSAEWOULDBLOCK;
    case EINPROGRESS: return WSAEWOULDBLOCK; // Windows says so of a connect that goes on
    case EALREADY: return 10037;
    case EINTR: return WSAEINTR;
    case EINVAL: return WSAEINVAL;
    case EMFILE: return 10024;
    case ENOTSOCK:
    case EBADF: return WSAENOTSOCK;
    case EAFNOSUPPORT: return 10047;
    case EADDRINUSE: return 10048;
    case EADDRNOTAVAIL: return 10049;
    case ENETDOWN: return 10050;
    case ENETUNREACH: return 10051;
    case ECONNABORTED: return 10053;
    case EPIPE: return 10053;
    case ECONNRESET: return 10054;
    case ENOBUFS: return 10055;
    case EISCONN: return 10056;
    case ENOTCONN: return 10057;
    case ETIMEDOUT: return WSAETIMEDOUT;
    case ECONNREFUSED: return WSAECONNREFUSED;
    case EHOSTUNREACH: return 10065;
    default: return WSAEINVAL;
    }
}
long posix_failed() { return wsa_failed(of_errno(errno)); }

/// Our descriptor; -1 and an error if the handle is none.
int descriptor(long handle) {
    const auto found = sockets.find(static_cast<int>(handle));
    if (found == sockets.end()) wsa_failed(WSAENOTSOCK);
    return found == sockets.end() ? -1 : found->second;
}
long kept(int fd) {
    last_handle += 4;
    sockets[last_handle] = fd;
    net::remember(fd);
    return last_handle;
}

// ---- the calls ----

long wsa_startup(const Arguments &a) {
    char *data = a.memory(1, 400); // WSADATA of 32-bit Windows
    std::memset(data, 0, 400);
    data[0] = 2, data[1] = 2, data[2] = 2, data[3] = 2;
    ++started;
    return 0;
}
long wsa_cleanup(const Arguments &) {
    if (started == 0) return wsa_failed(WSANOTINITIALISED);
    if (--started == 0)
        for (const auto &[handle, fd] : std::exchange(sockets, {})) {
            net::forget(fd);
            close(fd);
        }
    return 0;
}
long wsa_get_last_error(const Arguments &) { return wsa_error; }

long open_socket(const Arguments &a) {
    if (a.integer(0) != 2) return wsa_failed(10047); // AF_INET only: AF_INET6 is 23 there, and no EA needs it
    const int fd = ::socket(AF_INET, (a.integer(1) == 2 ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    return fd < 0 ? posix_failed() : kept(fd);
}
long close_socket(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return SOCKET_ERROR;
    net::forget(fd);
    sockets.erase(static_cast<int>(a.number(0)));
    return close(fd) == 0 ? 0 : posix_failed();
}
long connect_socket(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return SOCKET_ERROR;
    if (a.integer(2) < 16) return wsa_failed(10014);
    const char *address = a.memory(1, 16); // family, port and address as both systems lay them out
    sockaddr_in to{};
    std::memcpy(&to, address, 16);
    if (address[0] != 2 || address[1] != 0) return wsa_failed(10047);
    to.sin_family = AF_INET;
    host::point("SocketConnect");
    if (quirk("connect_refused")) return wsa_failed(WSAECONNREFUSED);
    if (quirk("connect_blackhole")) return wsa_failed(WSAEWOULDBLOCK); // and nothing ever comes: select stays silent
    return ::connect(fd, reinterpret_cast<const sockaddr *>(&to), sizeof to) == 0 ? 0 : posix_failed();
}
/// By name, with a time-out; the socket keeps its handle.
long connect_by_name(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return 0;
    long wait = 30'000;
    if (!a.absent(7)) {
        int parts[2];
        std::memcpy(parts, a.memory(7, 8), 8);
        wait = parts[0] * 1000L + parts[1] / 1000;
    }
    host::point("SocketConnect");
    const net::Outcome outcome = net::connect(a.words(1), a.words(2), wait);
    if (outcome.descriptor < 0) {
        wsa_failed(outcome.error == EHOSTUNREACH ? WSAHOST_NOT_FOUND : of_errno(outcome.error));
        return 0;
    }
    fcntl(outcome.descriptor, F_SETFL, fcntl(outcome.descriptor, F_GETFL) & ~O_NONBLOCK);
    dup3(outcome.descriptor, fd, O_CLOEXEC);
    close(outcome.descriptor);
    return 1;
}
long io_control(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return SOCKET_ERROR;
    int value;
    char *at = a.memory(2, 4);
    std::memcpy(&value, at, 4);
    switch (static_cast<uint>(a.integer(1))) {
    case 0x8004667E: // FIONBIO
        fcntl(fd, F_SETFL, value != 0 ? fcntl(fd, F_GETFL) | O_NONBLOCK : fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        return 0;
    case 0x4004667F: // FIONREAD
        if (ioctl(fd, FIONREAD, &value) != 0) return posix_failed();
        std::memcpy(at, &value, 4);
        return 0;
    default: return wsa_failed(WSAEINVAL);
    }
}

long send_bytes(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    long count = a.integer(2);
    if (fd < 0) return SOCKET_ERROR;
    if (count < 0) return wsa_failed(10014);
    const char *from = a.memory(1, count);
    host::point("SocketSend");
    if (count > 1 && quirk("short_writes") && chance(4) == 0) count = 1 + chance(count - 1);
    const ssize_t n = ::send(fd, from, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    if (n >= 0) host::point("SocketSent");
    return n < 0 ? posix_failed() : n;
}
long receive_bytes(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    long count = a.integer(2);
    if (fd < 0) return SOCKET_ERROR;
    if (count < 0) return wsa_failed(10014);
    char *to = a.memory(1, count);
    if (count > 1 && quirk("short_reads") && chance(4) == 0) count = 1 + chance(count - 1);
    const ssize_t n = ::recv(fd, to, static_cast<std::size_t>(count), a.integer(3) & 2 ? MSG_PEEK : 0);
    return n < 0 ? posix_failed() : n;
}

/// Options of Windows that have a twin here; both have an int as value.
bool option(int level, int name, int &our_level, int &our_name) {
    our_level = level == 0xFFFF ? SOL_SOCKET : level;
    if (level == IPPROTO_TCP && name == 1) our_name = TCP_NODELAY;
    else if (level != 0xFFFF) return false;
    else if (name == 4) our_name = SO_REUSEADDR;
    else if (name == 8) our_name = SO_KEEPALIVE;
    else if (name == 0x1001) our_name = SO_SNDBUF;
    else if (name == 0x1002) our_name = SO_RCVBUF;
    else if (name == 0x1005) our_name = SO_SNDTIMEO;
    else if (name == 0x1006) our_name = SO_RCVTIMEO;
    else if (name == 0x1007) our_name = SO_ERROR;
    else return false;
    return true;
}
long set_option(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return SOCKET_ERROR;
    if (a.integer(1) == 0xFFFF && a.integer(2) == 0x7010) return 0; // SO_UPDATE_CONNECT_CONTEXT: nothing to do here
    int level, name, value;
    if (!option(a.integer(1), a.integer(2), level, name)) return wsa_failed(WSAENOPROTOOPT);
    if (a.integer(4) < 4) return wsa_failed(10014);
    std::memcpy(&value, a.memory(3, 4), 4);
    int done;
    if (level == SOL_SOCKET && (name == SO_SNDTIMEO || name == SO_RCVTIMEO)) { // milliseconds there
        const timeval wait = {value / 1000, value % 1000 * 1000};
        done = setsockopt(fd, level, name, &wait, sizeof wait);
    } else
        done = setsockopt(fd, level, name, &value, sizeof value);
    return done == 0 ? 0 : posix_failed();
}
long get_option(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return SOCKET_ERROR;
    int level, name, value = 0;
    socklen_t size = sizeof value;
    if (!option(a.integer(1), a.integer(2), level, name)) return wsa_failed(WSAENOPROTOOPT);
    if (getsockopt(fd, level, name, &value, &size) != 0) return posix_failed();
    if (name == SO_ERROR && value != 0) value = of_errno(value);
    const int four = 4;
    std::memcpy(a.memory(3, 4), &value, 4);
    std::memcpy(a.memory(4, 4), &four, 4);
    return 0;
}

/// fd_set: a count and as many handles, 32 bits each, room for 64. Gives the number that are ready.
long select_sockets(const Arguments &a) {
    constexpr short WANTED[3] = {POLLIN, POLLOUT, POLLPRI};
    struct Asked {
        int set;
        int handle;
    };
    std::vector<pollfd> polled;
    std::vector<Asked> asked;
    for (int set = 0; set < 3; ++set) {
        if (a.absent(set + 1)) continue;
        int count;
        std::memcpy(&count, a.memory(set + 1, 4), 4);
        if (count < 0 || count > 64) return wsa_failed(WSAEINVAL);
        const char *handles = a.memory(set + 1, 4 + 4L * count);
        for (int i = 0; i < count; ++i) {
            int handle;
            std::memcpy(&handle, handles + 4 + 4 * i, 4);
            const int fd = descriptor(handle);
            if (fd < 0) return SOCKET_ERROR;
            polled.push_back({fd, WANTED[set], 0});
            asked.push_back({set, handle});
        }
    }
    if (polled.empty()) return wsa_failed(WSAEINVAL); // Windows wants at least one
    long wait = -1;
    if (!a.absent(4)) {
        int parts[2];
        std::memcpy(parts, a.memory(4, 8), 8);
        wait = parts[0] * 1000L + parts[1] / 1000;
    }
    int n;
    do n = poll(polled.data(), polled.size(), static_cast<int>(std::min<long>(wait, INT_MAX)));
    while (n < 0 && errno == EINTR);
    if (n < 0) return posix_failed();
    std::vector<int> ready[3];
    for (std::size_t i = 0; i < polled.size(); ++i) {
        const short got = polled[i].revents;
        // POSIX says "writable" of a connect that failed and of a socket that never began one; Windows tells the first in the set of
        // errors and says nothing of the second.
        const bool failed = got & (POLLERR | POLLNVAL), idle = (got & POLLHUP) && (got & POLLOUT) && !failed;
        const bool yes = asked[i].set == 0 ? got & (POLLIN | POLLHUP | POLLERR) : asked[i].set == 1 ? (got & POLLOUT) && !failed && !idle : failed;
        if (yes) ready[asked[i].set].push_back(asked[i].handle);
    }
    long total = 0;
    for (int set = 0; set < 3; ++set) {
        if (a.absent(set + 1)) continue;
        const int count = static_cast<int>(ready[set].size());
        char *to = a.memory(set + 1, 4 + 4L * count);
        std::memcpy(to, &count, 4);
        if (count > 0) std::memcpy(to + 4, ready[set].data(), 4 * ready[set].size());
        total += count;
    }
    return total;
}

long shut_down(const Arguments &a) {
    const int fd = descriptor(a.number(0));
    if (fd < 0) return SOCKET_ERROR;
    return shutdown(fd, a.integer(1)) == 0 ? 0 : posix_failed();
}
long inet_address(const Arguments &a) {
    in_addr found;
    const std::string words = a.count > 0 && a.all[0].kind == DllArgument::MEMORY ? std::string(a.memory(0, 1)) : a.words(0);
    return inet_pton(AF_INET, words.c_str(), &found) == 1 ? static_cast<int>(found.s_addr) : -1;
}
long host_to_net_short(const Arguments &a) { return htons(static_cast<ushort>(a.number(0))); }

// Never destroyed: destructors of the program's globals still call.
const auto &TABLE = *new std::map<std::string, long (*)(const Arguments &)>{
    {"WSAStartup", wsa_startup},        {"WSACleanup", wsa_cleanup},   {"WSAGetLastError", wsa_get_last_error},
    {"socket", open_socket},            {"closesocket", close_socket}, {"connect", connect_socket},
    {"WSAConnectByNameW", connect_by_name}, {"ioctlsocket", io_control},   {"send", send_bytes},
    {"recv", receive_bytes},            {"setsockopt", set_option},    {"getsockopt", get_option},
    {"select", select_sockets},         {"shutdown", shut_down},       {"inet_addr", inet_address},
    {"htons", host_to_net_short},
};
} // namespace

long dll_dispatch(const char *dll, const char *function, DllArgument *arguments, int count) {
    if (!options().dlls) critical("DLL calls are not allowed");
    const auto found = TABLE.find(function);
    std::string library = dll;
    for (char &c : library) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (library != "ws2_32.dll" || found == TABLE.end()) critical((std::string("cannot call '") + function + "' from '" + dll + "'").c_str());
    running = function;
    const bool free = found->second == wsa_startup || found->second == wsa_get_last_error || found->second == inet_address || found->second == host_to_net_short;
    if (started == 0 && !free) return wsa_failed(WSANOTINITIALISED);
    return found->second({arguments, count});
}

} // namespace mql
