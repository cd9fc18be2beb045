// Connections below Socket* and ws2_32.
#include "runtime.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <set>

namespace mql {

namespace {
auto &living = *new std::set<int>;

void stand_still(long milliseconds) {
    timespec left = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}
net::Outcome connected(const addrinfo &to, long timeout_ms) {
    const int fd = socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to.ai_protocol);
    if (fd < 0) return {-1, errno};
    int trouble = connect(fd, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
    if (trouble == EINPROGRESS) {
        socklen_t size = sizeof trouble;
        if (!net::wait(fd, POLLOUT, timeout_ms))
            trouble = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &trouble, &size);
    }
    if (trouble == 0) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return {fd, 0};
    }
    close(fd);
    return {-1, trouble};
}
} // namespace

bool net::wait(int descriptor, short events, long timeout_ms) {
    const long until = monotonic_micros() + timeout_ms * 1000;
    while (true) {
        const long left = until - monotonic_micros();
        pollfd one = {descriptor, events, 0};
        const int n = poll(&one, 1, left <= 0 ? 0 : static_cast<int>((left + 999) / 1000));
        if (n > 0) return true;
        if (left <= 0) return false;
    }
}

net::Outcome net::connect(const std::string &host, const std::string &port, long timeout_ms) {
    if (quirk("connect_blackhole")) {
        stand_still(timeout_ms);
        return {-1, ETIMEDOUT};
    }
    if (quirk("connect_refused")) return {-1, ECONNREFUSED};
    addrinfo wanted{}, *found = nullptr;
    wanted.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host.c_str(), port.c_str(), &wanted, &found) != 0) return {-1, EHOSTUNREACH};
    const long until = monotonic_micros() + timeout_ms * 1000;
    Outcome outcome{-1, EHOSTUNREACH};
    for (const addrinfo *to = found; to != nullptr && outcome.descriptor < 0; to = to->ai_next)
        outcome = connected(*to, std::max(0L, (until - monotonic_micros()) / 1000));
    freeaddrinfo(found);
    return outcome;
}

void net::remember(int descriptor) { living.insert(descriptor); }
void net::forget(int descriptor) { living.erase(descriptor); }
void cut_sockets() {
    for (const int fd : living) shutdown(fd, SHUT_RDWR);
}

} // namespace mql
