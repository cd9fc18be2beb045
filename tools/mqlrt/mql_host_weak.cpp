// What stands in for the host where there is none: the self-test, and a program that is only started to see whether it starts.
#include "runtime.hpp"

namespace mql::host {
__attribute__((weak)) bool open() { return true; }
__attribute__((weak)) int descriptor() { return -1; }
__attribute__((weak)) void pump() {}
__attribute__((weak)) void tell(const char *, const std::vector<std::string> &) {}
__attribute__((weak)) void point(const char *) {}
__attribute__((weak)) long info(const char *, int) { return 0; }
} // namespace mql::host
