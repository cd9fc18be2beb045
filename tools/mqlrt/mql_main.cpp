// The command line, the event loop, the life of the program from OnInit to its end.
#include "runtime.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <random>

/// The translated program may register its inputs in a function instead of static initialisers.
__attribute__((weak)) void mql_program_register();

/// Only in builds that count their lines.
extern "C" __attribute__((weak)) void __gcov_dump();

namespace mql {

namespace {
constexpr int EXIT_USAGE = 64, EXIT_INIT_FAILED = 69, EXIT_DEINIT_TOO_LONG = 72;
constexpr long DEINIT_LIMIT_US = 2'500'000;

[[noreturn]] void usage(const std::string &words) {
    std::fprintf(stderr, "mqlrt: %s\n", words.c_str());
    std::exit(EXIT_USAGE);
}

// ---- quirks and chance ----

std::map<std::string, bool> &quirks() {
    static auto &all = *new std::map<std::string, bool>{
        {"bogus_readable", true}, {"short_reads", true}, {"short_writes", true}, {"slow_timer", true},         {"tick_wrap", true},
        {"write_buffer", true},   {"flush_rule", true},  {"deinit_limit", true}, {"connect_blackhole", false}, {"connect_refused", false}};
    return all;
}
std::mt19937_64 &dice() {
    static auto &made = *new std::mt19937_64(1);
    return made;
}
/// MathRand's. The same in every run until MathSrand, as in MetaTrader: whoever forgets it draws the same masks again.
std::mt19937 &program_dice() {
    static auto &made = *new std::mt19937(1);
    return made;
}

// ---- the command line ----

int minutes_of(const std::string &period) {
    static const std::map<std::string, int> names = {{"M1", 1}, {"M5", 5}, {"M15", 15}, {"M30", 30}, {"H1", 60}, {"H4", 240}, {"D1", 1440}, {"W1", 10080}, {"MN1", 43200}};
    const auto found = names.find(period);
    if (found == names.end()) usage("--period: unknown period " + period);
    return found->second;
}
void apply_quirk(const std::string &setting) {
    const std::size_t equals = setting.find('=');
    const std::string value = equals == std::string::npos ? "" : setting.substr(equals + 1);
    if ((value != "on" && value != "off") || !set_quirk(setting.substr(0, equals), value == "on")) usage("--quirk: write name=on or name=off, not " + setting);
}
void take(Options &o, const std::string &name, const std::string &value) {
    if (name == "--host") o.host = value;
    else if (name == "--files") o.files = value;
    else if (name == "--common") o.common = value;
    else if (name == "--symbol") o.symbol = value;
    else if (name == "--period") o.period_minutes = minutes_of(value);
    else if (name == "--zone") o.zone = std::atoi(value.c_str());
    else if (name == "--tls-ca") o.tls_ca = value;
    else if (name == "--allow") o.allowed.push_back(value);
    else if (name == "--disk-room") set_disk_room(std::atol(value.c_str()));
    else if (name == "--seed") dice().seed(static_cast<ulong>(std::atol(value.c_str())));
    else if (name == "--input") o.inputs.push_back(value);
    else if (name == "--quirk") apply_quirk(value);
    else usage("unknown option " + name);
}
/// Read from the system and not from main's arguments: global objects of the program are made before main and may ask.
std::vector<std::string> command_line() {
    std::ifstream from("/proc/self/cmdline", std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(from)), {});
    std::vector<std::string> words;
    for (std::size_t at = 0; at < all.size(); at = all.find('\0', at) + 1) words.emplace_back(all.c_str() + at);
    return words;
}
} // namespace

Options &mutable_options() {
    static Options &made = *[] {
        auto *o = new Options;
        const std::vector<std::string> words = command_line();
        for (std::size_t i = 1; i < words.size(); ++i) {
            if (words[i] == "--no-dlls")
                o->dlls = false;
            else if (i + 1 < words.size()) {
                take(*o, words[i], words[i + 1]);
                ++i;
            } else
                usage(words[i] + ": a value is missing, or this is no option");
        }
        return o;
    }();
    return made;
}
const Options &options() { return mutable_options(); }

bool quirk(const char *name) {
    const auto found = quirks().find(name);
    if (found == quirks().end()) critical("the runtime asked for a quirk that does not exist");
    return found->second;
}
bool set_quirk(const std::string &name, bool on) {
    const auto found = quirks().find(name);
    if (found == quirks().end()) return false;
    found->second = on;
    return true;
}
long chance(long n) { return n <= 1 ? 0 : static_cast<long>(dice()() % static_cast<ulong>(n)); }
int MathRand() { return static_cast<int>(program_dice()() & 0x7FFF); }
void MathSrand(int seed) { program_dice().seed(static_cast<unsigned>(seed)); }

// ---- inputs and properties ----

namespace {
struct Input {
    void *variable;
    inputs::Type type;
    int bytes;
};
std::map<std::string, Input> &all_inputs() {
    static auto &all = *new std::map<std::string, Input>;
    return all;
}
/// Little-endian: the low bytes of the number are the variable.
void set_input(const Input &input, const std::string &value) {
    if (input.type == inputs::TEXT)
        *static_cast<string *>(input.variable) = string::utf8(value);
    else if (input.type == inputs::BOOL)
        *static_cast<bool *>(input.variable) = value == "true" || value == "1";
    else if (input.type == inputs::REAL && input.bytes == 4)
        *static_cast<float *>(input.variable) = std::strtof(value.c_str(), nullptr);
    else if (input.type == inputs::REAL)
        *static_cast<double *>(input.variable) = std::strtod(value.c_str(), nullptr);
    else {
        const ulong number = input.type == inputs::UNSIGNED ? std::strtoull(value.c_str(), nullptr, 10) : static_cast<ulong>(std::strtoll(value.c_str(), nullptr, 10));
        std::memcpy(input.variable, &number, static_cast<std::size_t>(input.bytes));
    }
}
std::string before_equals(const std::string &setting) { return setting.substr(0, setting.find('=')); }
void check_inputs() {
    for (const std::string &setting : options().inputs)
        if (setting.find('=') == std::string::npos || !all_inputs().contains(before_equals(setting))) usage("--input: the program has no " + before_equals(setting));
}
} // namespace

bool inputs::add(const char *name, void *variable, Type type, int bytes) {
    all_inputs()[name] = {variable, type, bytes};
    for (const std::string &setting : options().inputs)
        if (before_equals(setting) == name) set_input(all_inputs()[name], setting.substr(setting.find('=') + 1));
    return true;
}
bool register_property(const char *, const char *) { return true; }

// ---- events and timer ----

namespace {
struct Loop {
    std::deque<std::function<void()>> events;
    long period_us = 0; // 0: no timer
    long due_us = 0;
    bool timer_queued = false;
    bool leaving = false;
    int reason = REASON_PROGRAM;
    int last_reason = REASON_PROGRAM;
};
Loop &loop() {
    static auto &made = *new Loop;
    return made;
}
volatile sig_atomic_t stop_signal = 0;
void on_stop_signal(int) { stop_signal = 1; }
/// A build that counts its lines writes the counts and then dies on the spot, as by `kill -9`, which would lose them.
void on_kill_signal(int) {
    __gcov_dump();
    kill(getpid(), SIGKILL);
}

/// Windows' timer is no faster than 10 to 16 ms, whatever was asked for.
long next_period() {
    const Loop &l = loop();
    return quirk("slow_timer") ? std::max(l.period_us, 10'000 + chance(6'000)) : l.period_us;
}
void look_at_timer() {
    Loop &l = loop();
    if (l.period_us == 0 || l.timer_queued || monotonic_micros() < l.due_us) return;
    l.timer_queued = true; // not queued again while it waits or runs
    l.events.emplace_back([] {
        if (mql_program_table.OnTimer != nullptr) mql_program_table.OnTimer();
        loop().timer_queued = false;
        loop().due_us = monotonic_micros() + next_period();
    });
}
/// Sleeps until the timer is due, the host says something or a signal comes.
void wait_for_work() {
    const Loop &l = loop();
    long wait_us = -1;
    if (l.period_us != 0) wait_us = std::max(0L, l.due_us - monotonic_micros());
    sigset_t none;
    sigemptyset(&none);
    pollfd one = {host::descriptor(), POLLIN, 0};
    const timespec wait = {wait_us / 1'000'000, wait_us % 1'000'000 * 1000};
    ppoll(&one, one.fd >= 0 ? 1 : 0, wait_us < 0 ? nullptr : &wait, &none); // the signal is blocked outside: none gets lost
}
} // namespace

void post_event(std::function<void()> event) { loop().events.push_back(std::move(event)); }
void pump_host() {
    if (host::descriptor() >= 0) host::pump();
}
void request_deinit(int reason) {
    if (loop().leaving) return;
    loop().leaving = true;
    loop().reason = reason;
}
bool EventSetMillisecondTimer(int milliseconds) {
    if (milliseconds <= 0) return failed(4003, false);
    loop().period_us = milliseconds * 1000L;
    loop().due_us = monotonic_micros() + next_period();
    return true;
}
bool EventSetTimer(int seconds) { return seconds > 0 ? EventSetMillisecondTimer(seconds * 1000) : failed(4003, false); }
void EventKillTimer() { loop().period_us = 0; }
bool EventChartCustom(long, ushort id, long lparam, double dparam, const string &sparam) {
    post_event([=] {
        if (mql_program_table.OnChartEvent != nullptr) mql_program_table.OnChartEvent(CHARTEVENT_CUSTOM + id, lparam, dparam, sparam);
    });
    return true;
}
bool IsStopped() {
    sigset_t waiting;
    sigpending(&waiting);
    return loop().leaving || stop_signal != 0 || sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1;
}
void Sleep(int milliseconds) {
    const long until = monotonic_micros() + std::max(0, milliseconds) * 1000L;
    long left;
    while ((left = until - monotonic_micros()) > 0 && !IsStopped()) usleep(static_cast<useconds_t>(std::min(left, 10'000L)));
}
int UninitializeReason() { return loop().last_reason; }
void ExpertRemove() { request_deinit(REASON_PROGRAM); }
bool TerminalClose(int) {
    request_deinit(REASON_CLOSE);
    return true;
}

// ---- from OnInit to the end ----

namespace {
bool stays(int reason) { return reason == REASON_CHARTCHANGE || reason == REASON_PARAMETERS || reason == REASON_ACCOUNT; }
bool begins_anew(int reason) { return reason == REASON_RECOMPILE || reason == REASON_TEMPLATE; }

void deinit_took_too_long(int) {
    constexpr char words[] = "OnDeinit took longer than 2.5 s and was ended\n";
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(EXIT_DEINIT_TOO_LONG);
    _exit(EXIT_DEINIT_TOO_LONG);
}
void run_deinit(int reason) {
    Loop &l = loop();
    l.leaving = true; // IsStopped
    l.last_reason = reason;
    EventKillTimer();
    l.timer_queued = false;
    l.events.clear();
    host::point("OnDeinit");
    signal(SIGALRM, deinit_took_too_long);
    const itimerval limit = {{0, 0}, {DEINIT_LIMIT_US / 1'000'000, DEINIT_LIMIT_US % 1'000'000}}, none = {};
    if (quirk("deinit_limit")) setitimer(ITIMER_REAL, &limit, nullptr);
    if (mql_program_table.OnDeinit != nullptr) mql_program_table.OnDeinit(reason);
    setitimer(ITIMER_REAL, &none, nullptr);
    std::printf("deinit\t%d\n", reason);
    std::fflush(stdout);
    host::tell("event", {"deinit", std::to_string(reason)});
}
/// False: the program said that it cannot run.
bool run_init() {
    loop().leaving = false;
    host::point("OnInit");
    const int result = mql_program_table.OnInit == nullptr ? static_cast<int>(INIT_SUCCEEDED) : mql_program_table.OnInit();
    std::printf("init\t%d\n", result);
    std::fflush(stdout);
    host::tell("event", {"init", std::to_string(result)});
    return result == INIT_SUCCEEDED;
}
void run_events() {
    Loop &l = loop();
    while (!l.leaving) {
        pump_host();
        look_at_timer();
        if (l.events.empty()) {
            wait_for_work();
            if (stop_signal != 0) request_deinit(REASON_REMOVE);
            continue;
        }
        const std::function<void()> event = std::move(l.events.front());
        l.events.pop_front();
        event();
        if (IsStopped()) request_deinit(REASON_REMOVE);
    }
}
void block_stop_signals() {
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    if (&__gcov_dump != nullptr) signal(SIGUSR1, on_kill_signal);
    signal(SIGPIPE, SIG_IGN);
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
}
} // namespace

/// Gives the exit code.
int run_program(char **arguments) {
    block_stop_signals();
    if (mql_program_register != nullptr) mql_program_register();
    check_inputs();
    _Symbol = string::utf8(options().symbol);
    if (!options().host.empty() && !host::open()) usage("--host: nobody answers at " + options().host);
    while (true) {
        if (!run_init()) {
            run_deinit(REASON_INITFAILED);
            return EXIT_INIT_FAILED;
        }
        run_events();
        const int reason = loop().reason;
        run_deinit(reason);
        if (stays(reason)) continue;
        GlobalVariablesFlush();
        files::flush_all();
        if (begins_anew(reason)) {
            execv("/proc/self/exe", arguments);
            usage("cannot begin anew");
        }
        return 0;
    }
}

} // namespace mql

int main(int, char **arguments) {
    const int code = mql::run_program(arguments);
    // From here on the counts are being written: twice at once would spoil them.
    signal(SIGUSR1, SIG_IGN);
    return code;
}
