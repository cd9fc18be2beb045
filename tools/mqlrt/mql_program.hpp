// What a translated program tells the runtime about itself.
#pragma once
#pragma GCC system_header

#include "mql_string.hpp"

namespace mql {

struct MqlTradeTransaction;
struct MqlTradeRequest;
struct MqlTradeResult;

enum ENUM_INIT_RETCODE : int { INIT_SUCCEEDED = 0, INIT_FAILED = 1, INIT_PARAMETERS_INCORRECT = 32767, INIT_AGENT_NOT_SUITABLE = 32766 };
inline constexpr int REASON_PROGRAM = 0, REASON_REMOVE = 1, REASON_RECOMPILE = 2, REASON_CHARTCHANGE = 3, REASON_CHARTCLOSE = 4, REASON_PARAMETERS = 5,
                     REASON_ACCOUNT = 6, REASON_TEMPLATE = 7, REASON_INITFAILED = 8, REASON_CLOSE = 9;

/// The handlers that the program has; nullptr for those that it has not.
struct Program {
    int dialect; // 4 or 5
    const char *name;
    int (*OnInit)();
    void (*OnDeinit)(const int reason);
    void (*OnTick)();
    void (*OnTimer)();
    void (*OnTrade)();
    void (*OnTradeTransaction)(const MqlTradeTransaction &, const MqlTradeRequest &, const MqlTradeResult &);
    void (*OnChartEvent)(const int id, const long &lparam, const double &dparam, const string &sparam);
    void (*OnBookEvent)(const string &symbol);
};
template <auto Handler> int on_init() {
    if constexpr (std::is_void_v<decltype(Handler())>) {
        Handler();
        return INIT_SUCCEEDED;
    } else
        return static_cast<int>(Handler());
}

namespace inputs {
enum Type { BOOL, INTEGER, UNSIGNED, REAL, TEXT };
bool add(const char *name, void *variable, Type type, int bytes);
} // namespace inputs

/// After the variable; `--input name=value` sets it before OnInit.
template <class T> bool register_input(const char *name, T *variable) {
    using V = std::remove_const_t<T>;
    inputs::Type type = inputs::INTEGER;
    if constexpr (std::is_same_v<V, string>)
        type = inputs::TEXT;
    else if constexpr (std::is_same_v<V, bool>)
        type = inputs::BOOL;
    else if constexpr (std::is_floating_point_v<V>)
        type = inputs::REAL;
    else if constexpr (std::is_unsigned_v<V>)
        type = inputs::UNSIGNED;
    return inputs::add(name, const_cast<V *>(variable), type, static_cast<int>(sizeof(V)));
}
bool register_property(const char *name, const char *value);

} // namespace mql

/// Defined by the translated program.
extern const mql::Program mql_program_table;
