// Socket* of MQL5, with the behaviour that surprises: see README.md, "Quirks".
#include "mql5.hpp"
#include "runtime.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace mql {

namespace {
enum { FUNCTION_NOT_ALLOWED = 4014, INVALID_PARAMETER = 4003, INVALIDHANDLE = 5270, TOO_MANY_OPENED = 5271, CANNOT_CONNECT = 5272, IO_ERROR = 5273,
       HANDSHAKE_FAILED = 5274, NO_CERTIFICATE = 5275 };
constexpr std::size_t MOST_SOCKETS = 128;
constexpr long DEFAULT_TIMEOUT = 120'000;

struct Socket {
    int fd = -1;
    bool broken = false;
    tls::Connection *tls = nullptr;
    long send_ms = DEFAULT_TIMEOUT, receive_ms = DEFAULT_TIMEOUT;
};
auto &sockets = *new std::map<int, Socket>;
int last_handle = 0;

Socket *find(int handle) {
    const auto found = sockets.find(handle);
    return found == sockets.end() ? failed<Socket *>(INVALIDHANDLE, nullptr) : &found->second;
}
/// A socket that can read and write now; sets 5270 or 5273 if not.
Socket *connected(int handle) {
    Socket *s = find(handle);
    if (s == nullptr) return nullptr;
    return s->fd < 0 || s->broken ? failed<Socket *>(IO_ERROR, nullptr) : s;
}
int broke(Socket &s) {
    s.broken = true;
    return failed(IO_ERROR, -1);
}
void release(Socket &s) {
    if (s.tls != nullptr) tls::end(s.tls);
    if (s.fd >= 0) {
        net::forget(s.fd);
        close(s.fd);
    }
    s = Socket{};
}
bool allowed(const std::string &server) {
    const auto &list = options().allowed;
    return list.empty() || std::find(list.begin(), list.end(), server) != list.end();
}
/// Fewer than asked now and then, at least one.
long cut_short(const char *name, long count) { return count > 1 && quirk(name) && chance(4) == 0 ? 1 + chance(count - 1) : count; }

bool secure(Socket &s, const std::string &host, long timeout) {
    s.tls = tls::handshake(s.fd, host, timeout);
    if (s.tls != nullptr) return true;
    s.broken = true;
    return failed(HANDSHAKE_FAILED, false);
}
/// Room for `most` bytes: grown by the call, and longer than what comes.
long room(const ArrRef<uchar> &to, uint most) {
    if (to.count() < static_cast<long>(most)) to.resize(static_cast<int>(most), 0);
    return std::min<long>(to.count(), most);
}
} // namespace

int SocketCreate(uint) {
    if (sockets.size() >= MOST_SOCKETS) return failed(TOO_MANY_OPENED, INVALID_HANDLE);
    sockets[++last_handle];
    return last_handle;
}
bool SocketClose(int handle) {
    Socket *s = find(handle);
    if (s == nullptr) return false;
    release(*s);
    sockets.erase(handle);
    return true;
}

bool SocketConnect(int handle, const string &server, uint port, uint timeout_ms) {
    Socket *s = find(handle);
    if (s == nullptr) return false;
    const std::string host = server.to_utf8();
    if (!allowed(host)) return failed(FUNCTION_NOT_ALLOWED, false);
    host::point("SocketConnect");
    release(*s);
    const long until = monotonic_micros() / 1000 + timeout_ms;
    const net::Outcome outcome = net::connect(host, std::to_string(port), timeout_ms);
    if (outcome.descriptor < 0) return failed(CANNOT_CONNECT, false);
    s->fd = outcome.descriptor;
    net::remember(s->fd);
    // Port 443 is always TLS, without a call of SocketTlsHandshake.
    return port != 443 || secure(*s, host, std::max(0L, until - monotonic_micros() / 1000));
}
bool SocketIsConnected(int handle) {
    Socket *s = find(handle);
    return s != nullptr && s->fd >= 0 && !s->broken;
}

uint SocketIsReadable(int handle) {
    Socket *s = connected(handle);
    if (s == nullptr) return 0;
    int waiting = 0;
    if (ioctl(s->fd, FIONREAD, &waiting) != 0) return static_cast<uint>(broke(*s) * 0);
    if (waiting > 0) return static_cast<uint>(waiting);
    char ignored;
    const ssize_t n = recv(s->fd, &ignored, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return static_cast<uint>(broke(*s) * 0);
    return n > 0 || quirk("bogus_readable") ? 1 : 0;
}
bool SocketIsWritable(int handle) {
    Socket *s = connected(handle);
    return s != nullptr && net::wait(s->fd, POLLOUT, 0);
}
bool SocketTimeouts(int handle, uint send_ms, uint receive_ms) {
    Socket *s = find(handle);
    if (s == nullptr) return false;
    s->send_ms = send_ms == 0 ? DEFAULT_TIMEOUT : send_ms;
    s->receive_ms = receive_ms == 0 ? DEFAULT_TIMEOUT : receive_ms;
    return true;
}

int SocketRead(int handle, const ArrRef<uchar> &to, uint most, uint timeout_ms) {
    Socket *s = connected(handle);
    if (s == nullptr) return -1;
    if (most == 0 || s->tls != nullptr) return failed(s->tls != nullptr ? IO_ERROR : INVALID_PARAMETER, -1);
    const long size = room(to, most), wanted = cut_short("short_reads", size);
    const long until = monotonic_micros() / 1000 + (timeout_ms == 0 ? s->receive_ms : timeout_ms);
    long got = 0;
    while (got < wanted) {
        const ssize_t n = recv(s->fd, to.data() + got, static_cast<std::size_t>(wanted - got), MSG_DONTWAIT);
        if (n > 0)
            got += n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            if (got > 0) break; // the end is for the next call
            return broke(*s);
        } else if (!net::wait(s->fd, POLLIN, std::max(0L, until - monotonic_micros() / 1000)))
            break;
    }
    return got > 0 ? static_cast<int>(got) : -1; // time is up: -1 and no error, as in a terminal
}

namespace {
/// Sends what goes within the time-out of the socket; `write` gives bytes, 0 for "would block", -1 for an error.
template <class Write> int sent_with(Socket &s, long count, Write write) {
    host::point("SocketSend");
    if (s.fd < 0 || s.broken) return broke(s); // the host may just have cut it
    const long wanted = cut_short("short_writes", count);
    const long until = monotonic_micros() / 1000 + s.send_ms;
    while (true) {
        const long n = write(wanted);
        if (n > 0) {
            host::point("SocketSent");
            return static_cast<int>(n);
        }
        if (n < 0 || !net::wait(s.fd, POLLOUT, std::max(0L, until - monotonic_micros() / 1000))) return broke(s);
    }
}
} // namespace

int SocketSend(int handle, const CArr<uchar> &from, uint count) {
    Socket *s = connected(handle);
    if (s == nullptr) return -1;
    if (static_cast<long>(count) > from.count() || s->tls != nullptr) return failed(s->tls != nullptr ? IO_ERROR : INVALID_PARAMETER, -1);
    if (count == 0) return 0;
    return sent_with(*s, count, [&](long n) {
        const ssize_t done = send(s->fd, from.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL | MSG_DONTWAIT);
        return done < 0 && (errno == EAGAIN || errno == EINTR) ? 0L : static_cast<long>(done);
    });
}

// ---- TLS ----

bool SocketTlsHandshake(int handle, const string &host) {
    Socket *s = connected(handle);
    if (s == nullptr) return false;
    return s->tls == nullptr ? secure(*s, host.to_utf8(), s->receive_ms) : failed(HANDSHAKE_FAILED, false);
}
int SocketTlsReadAvailable(int handle, const ArrRef<uchar> &to, uint most) {
    Socket *s = connected(handle);
    if (s == nullptr) return -1;
    if (s->tls == nullptr || most == 0) return failed(IO_ERROR, -1);
    const long size = room(to, most);
    const long n = tls::read(s->tls, to.data(), cut_short("short_reads", size));
    return n < 0 ? broke(*s) : static_cast<int>(n);
}
int SocketTlsRead(int handle, const ArrRef<uchar> &to, uint most) {
    Socket *s = connected(handle);
    if (s == nullptr) return -1;
    if (s->tls == nullptr || most == 0) return failed(IO_ERROR, -1);
    const long size = room(to, most), until = monotonic_micros() / 1000 + s->receive_ms;
    long got = 0;
    while (got < size) {
        const long n = tls::read(s->tls, to.data() + got, size - got);
        if (n < 0) return got > 0 ? static_cast<int>(got) : broke(*s);
        got += n;
        if (n == 0 && !net::wait(s->fd, POLLIN, std::max(0L, until - monotonic_micros() / 1000))) break;
    }
    return got > 0 ? static_cast<int>(got) : -1;
}
int SocketTlsSend(int handle, const CArr<uchar> &from, uint count) {
    Socket *s = connected(handle);
    if (s == nullptr) return -1;
    if (s->tls == nullptr || static_cast<long>(count) > from.count()) return failed(IO_ERROR, -1);
    if (count == 0) return 0;
    return sent_with(*s, count, [&](long n) { return tls::write(s->tls, from.data(), n); });
}
int SocketTlsCertificate(int handle, string &subject, string &issuer, string &serial, string &thumbprint, datetime &expiration) {
    Socket *s = connected(handle);
    if (s == nullptr) return 0;
    tls::Certificate facts;
    if (s->tls == nullptr || !tls::certificate(s->tls, facts)) return failed(NO_CERTIFICATE, 0);
    subject = string::utf8(facts.subject), issuer = string::utf8(facts.issuer);
    serial = string::utf8(facts.serial), thumbprint = string::utf8(facts.thumbprint);
    expiration = facts.expiration;
    return 1;
}

} // namespace mql
