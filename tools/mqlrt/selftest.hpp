// For the self-tests of the runtime: they are programs of the shape that mqlc writes.
#pragma once

#include "runtime.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                           \
        }                                                                           \
    } while (false)

/// The exit code of a child that does it; what the child writes to stderr is thrown away.
inline int code_of(const std::function<void()> &what) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(98);
        what();
        _exit(99);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
/// A critical error ends the program with 70.
inline bool dies(const std::function<void()> &what) { return code_of(what) == 70; }

/// A hub for one connection: connect first, then take it.
struct Listener {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned short port = 0;

    Listener() {
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof here;
        CHECK(bind(fd, reinterpret_cast<sockaddr *>(&here), size) == 0 && listen(fd, 200) == 0);
        CHECK(getsockname(fd, reinterpret_cast<sockaddr *>(&here), &size) == 0);
        port = ntohs(here.sin_port);
    }
    ~Listener() { close(fd); }
    int take() const { return accept(fd, nullptr, nullptr); }
};
inline bool wait_readable(int fd) { return mql::net::wait(fd, 1 /* POLLIN */, 5000); }

// Again and last of all: headers of the standard library, included since mql.hpp, may have given NULL its meaning in C++.
#undef NULL
#define NULL (::mql::null_value)
