// Critical errors, the table of living objects, what is left at the end.
#include "runtime.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <unordered_map>

/// Of gcov: `_exit` alone would lose the counts.
extern "C" __attribute__((weak)) void __gcov_dump();

namespace mql {

int _LastError = 0;
void set_last_error(int code) { _LastError = code; }
void SetUserError(ushort code) { _LastError = 65536 + code; }

namespace {
constexpr int EXIT_CRITICAL = 70;
constexpr int EXIT_LEAKED = 73;

/// Lines of the program's source for the innermost frames, by addr2line if it is installed.
std::string source_lines() {
    void *frames[24];
    const int n = backtrace(frames, 24);
    std::string command = "addr2line -i -s -e /proc/self/exe";
    for (int i = 2; i < n; ++i) {
        Dl_info info;
        if (dladdr(frames[i], &info) == 0 || info.dli_fbase == nullptr) continue;
        char text[32];
        std::snprintf(text, sizeof text, " %lx", reinterpret_cast<unsigned long>(frames[i]) - reinterpret_cast<unsigned long>(info.dli_fbase) - 1);
        command += text;
    }
    command.replace(command.find("/proc/self/exe"), 14, "/proc/" + std::to_string(getpid()) + "/exe");
    command += " 2>/dev/null";
    FILE *pipe = popen(command.c_str(), "r");
    std::string found;
    char line[512];
    while (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) {
        const std::string at(line, std::strcspn(line, "\n"));
        if (at.find(".mq") != std::string::npos) found += (found.empty() ? " at " : " from ") + at;
    }
    if (pipe != nullptr) pclose(pipe);
    return found;
}
} // namespace

void critical(const char *what) {
    static bool running = false;
    if (running) _exit(EXIT_CRITICAL);
    running = true;
    const std::string words = std::string(what) + source_lines();
    std::fflush(stdout);
    std::fprintf(stderr, "critical error: %s\n", words.c_str());
    std::fflush(stderr);
    host::tell("critical", {words});
    if (__gcov_dump != nullptr) __gcov_dump();
    _exit(EXIT_CRITICAL);
}

void critical_index(long index, long size) {
    char words[96];
    std::snprintf(words, sizeof words, "array out of range (%ld of %ld)", index, size);
    critical(words);
}

namespace objects {
namespace {
struct Birth {
    void *address;
    std::size_t bytes;
    const std::type_info *type;
};
/// Lives longer than the program's global objects, whose destructors may still delete what they own.
struct Living {
    std::unordered_map<ulong, Birth> by_id;
    std::unordered_map<const void *, ulong> by_address;
    ulong last = 0;

    ~Living() {
        if (by_id.empty()) return;
        std::map<std::string, long> types;
        std::size_t bytes = 0;
        for (const auto &[id, birth] : by_id) {
            char *plain = abi::__cxa_demangle(birth.type->name(), nullptr, nullptr, nullptr);
            ++types[plain != nullptr ? plain : birth.type->name()];
            std::free(plain);
            bytes += birth.bytes;
        }
        std::string words = std::to_string(by_id.size()) + " undeleted objects left, " + std::to_string(bytes) + " bytes";
        for (const auto &[name, n] : types) words += ", " + std::to_string(n) + " of " + name;
        std::printf("%s\n", words.c_str());
        std::fflush(stdout);
        host::tell("leak", {words});
        if (__gcov_dump != nullptr) __gcov_dump();
        _exit(EXIT_LEAKED);
    }
};
__attribute__((init_priority(101))) Living living;
} // namespace

void *birth(std::size_t bytes, const std::type_info &type) {
    void *address = std::malloc(bytes);
    if (address == nullptr) critical("out of memory");
    std::memset(address, POISON, bytes);
    living.by_id.emplace(++living.last, Birth{address, bytes, &type});
    living.by_address[address] = living.last;
    return address;
}
ulong id_of(const void *address) {
    const auto found = living.by_address.find(address);
    return found == living.by_address.end() ? 0 : found->second;
}
bool alive(ulong id) { return living.by_id.contains(id); }
void bury(ulong id) {
    const auto found = living.by_id.find(id);
    living.by_address.erase(found->second.address);
    std::memset(found->second.address, 0xDD, found->second.bytes);
    std::free(found->second.address);
    living.by_id.erase(found);
}
} // namespace objects

} // namespace mql
