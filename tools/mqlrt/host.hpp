// The way to the simulated terminal: one TCP connection to the process that plays broker, market and user. README.md, "Host".
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace mql {

/// A line's fields, unescaped.
using Row = std::vector<std::string>;

/// Something that the host pushes: a name and its fields.
struct HostEvent {
    std::string name;
    Row fields;
};

/// Connects to HOST:PORT and says which dialect the program speaks. Ends the process with 71 when nobody is there.
void host_open(const std::string &address, int dialect);
/// What to poll for reading; -1 before host_open.
int host_fd();
/// Takes in what has arrived, without waiting. Ends the process when the host is gone.
void host_pump();
/// The next event that the host pushed, oldest first. False: there is none.
bool host_event(HostEvent &out);
/// A new event of the program begins: what was read of the broker during the last one is forgotten.
void host_begin_turn();
/// Asks and waits for the answer's fields.
Row host_ask(const Row &request);
/// The answer to a question that only changes with time: asked once in a turn.
const Row &host_look(const Row &request);
/// Forgets the answers of host_look: something has just been changed.
void host_forget();
/// Tells the host something; there is no answer.
void host_tell(const Row &message);
/// A point at which the host may kill the process or let it hang. Does nothing unless the host has asked for this point.
void host_point(const char *name);

// --- how fields are read and written
std::int64_t to_i64(const std::string &field);
std::uint64_t to_u64(const std::string &field);
double to_f64(const std::string &field);
std::string of_f64(double value);
/// Bytes from hexadecimal digits, two each.
std::string from_hex(const std::string &field);

} // namespace mql
