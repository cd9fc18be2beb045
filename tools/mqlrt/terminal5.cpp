// MQL5's account, history and trading: select first, then get. The host answers with rows of docs/terminal-protocol.md.
#include "mql5.hpp"

#include "runtime.hpp"
#include "terminal.hpp"

#include <cstring>

namespace mql {

using namespace terminal;

namespace {

constexpr std::size_t POSITION_FIELDS = 19, ORDER_FIELDS = 24, DEAL_FIELDS = 18, RESULT_FIELDS = 10, REQUEST_FIELDS = 17;
constexpr int MARKET_NOT_SELECTED = 4302, POSITION_NOT_FOUND = 4753, ORDER_NOT_FOUND = 4754, DEAL_NOT_FOUND = 4755,
              TRADE_SEND_FAILED = 4756, BOOKS_CANNOT_ADD = 4901, BOOKS_CANNOT_GET = 4903, BUFFER_SMALL = 4407;

// What PositionSelect… and OrderSelect copied, and the lists of History….
Row g_position, g_order;
std::vector<Row> g_deals, g_history_orders;

std::vector<Row> positions() { return rows(host_look({"positions"}), POSITION_FIELDS); }
std::vector<Row> orders() { return rows(host_look({"orders"}), ORDER_FIELDS); }

/// A row whose first field is this ticket.
const Row *find(const std::vector<Row> &in, ulong ticket) {
    for (const Row &row : in)
        if (to_u64(row[0]) == ticket) return &row;
    return nullptr;
}

bool take(const Row *found, Row &selected, int error) {
    if (found == nullptr) {
        set_last_error(error);
        return false;
    }
    selected = *found;
    return true;
}

// A number of any width: tickets and magics are unsigned, times are not.
long integer(const std::string &field) { return field.starts_with('-') ? to_i64(field) : static_cast<long>(to_u64(field)); }

template <class T, class Read> bool get(const Row *row, int property, int error, T &out, Read read) {
    if (row == nullptr || row->empty()) {
        set_last_error(error);
        return false;
    }
    out = read((*row)[static_cast<std::size_t>(property)]);
    return true;
}
auto words = [](const std::string &field) { return string::utf8(field); };

Row fields_of(const MqlTradeRequest &r) {
    return {std::to_string(r.action), std::to_string(r.magic), std::to_string(r.order), r.symbol.to_utf8(), of_f64(r.volume),
            of_f64(r.price), of_f64(r.stoplimit), of_f64(r.sl), of_f64(r.tp), std::to_string(r.deviation),
            std::to_string(r.type), std::to_string(r.type_filling), std::to_string(r.type_time), std::to_string(r.expiration),
            r.comment.to_utf8(), std::to_string(r.position), std::to_string(r.position_by)};
}

MqlTradeRequest request_of(const Row &f, std::size_t at) {
    MqlTradeRequest r{};
    r.action = static_cast<ENUM_TRADE_REQUEST_ACTIONS>(to_u64(f[at]));
    r.magic = to_u64(f[at + 1]);
    r.order = to_u64(f[at + 2]);
    r.symbol = words(f[at + 3]);
    r.volume = to_f64(f[at + 4]);
    r.price = to_f64(f[at + 5]);
    r.stoplimit = to_f64(f[at + 6]);
    r.sl = to_f64(f[at + 7]);
    r.tp = to_f64(f[at + 8]);
    r.deviation = to_u64(f[at + 9]);
    r.type = static_cast<ENUM_ORDER_TYPE>(to_u64(f[at + 10]));
    r.type_filling = static_cast<ENUM_ORDER_TYPE_FILLING>(to_u64(f[at + 11]));
    r.type_time = static_cast<ENUM_ORDER_TYPE_TIME>(to_u64(f[at + 12]));
    r.expiration = to_i64(f[at + 13]);
    r.comment = words(f[at + 14]);
    r.position = to_u64(f[at + 15]);
    r.position_by = to_u64(f[at + 16]);
    return r;
}

MqlTradeResult result_of(const Row &f, std::size_t at) {
    MqlTradeResult r{};
    if (f.size() < at + RESULT_FIELDS) return r;
    r.retcode = static_cast<uint>(to_u64(f[at]));
    r.deal = to_u64(f[at + 1]);
    r.order = to_u64(f[at + 2]);
    r.volume = to_f64(f[at + 3]);
    r.price = to_f64(f[at + 4]);
    r.bid = to_f64(f[at + 5]);
    r.ask = to_f64(f[at + 6]);
    r.comment = words(f[at + 7]);
    r.request_id = static_cast<uint>(to_u64(f[at + 8]));
    r.retcode_external = static_cast<int>(to_i64(f[at + 9]));
    return r;
}

bool send(const char *how, const MqlTradeRequest &request, MqlTradeResult &result) {
    Row question = fields_of(request);
    question.insert(question.begin(), how);
    result = result_of(host_ask(question), 0);
    host_forget();
    const bool sent = result.retcode >= TRADE_RETCODE_PLACED && result.retcode <= TRADE_RETCODE_DONE_PARTIAL;
    if (!sent) set_last_error(TRADE_SEND_FAILED);
    return sent;
}

template <class T> int copy_packed(const std::string &packed, const ArrRef<T> &out, int too_small) {
    const int count = static_cast<int>(packed.size() / sizeof(T));
    if (out.is_dynamic() ? out.resize(count, 0) != count : out.count() < count) {
        set_last_error(too_small);
        return -1;
    }
    for (int at = 0; at < count; ++at) {
        T one;
        std::memcpy(static_cast<void *>(&one), packed.data() + static_cast<std::size_t>(at) * sizeof(T), sizeof one);
        out[out.series() ? count - 1 - at : at] = one;
    }
    return count;
}

int ticks(const string &name, const ArrRef<MqlTick> &out, uint flags, const std::string &mode, ulong from, ulong to, uint count) {
    Row answer = host_ask({"ticks", name.to_utf8(), mode, std::to_string(from), std::to_string(to), std::to_string(count),
                           std::to_string(flags == COPY_TICKS_ALL ? 3 : flags & 3)});
    if (answer.empty() || answer[0] != "0") {
        set_last_error(answer.empty() || answer[0] == "4" ? 4301 : 4401);
        return answer.empty() || answer[0] != "3" ? -1 : 0;
    }
    return copy_packed(answer.size() > 1 ? from_hex(answer[1]) : std::string(), out, BUFFER_SMALL);
}

} // namespace

// ---- prices ----

bool SymbolInfoTick(const string &name, MqlTick &tick) {
    Row spec = symbol(name);
    if (spec.empty()) return false;
    if (spec[SYMBOL_SELECT] != "1") {
        set_last_error(MARKET_NOT_SELECTED);
        return false;
    }
    Row row = host_look({"tick", name.to_utf8()});
    if (row.size() != 8) return false;
    tick.time = to_i64(row[0]);
    tick.bid = to_f64(row[1]);
    tick.ask = to_f64(row[2]);
    tick.last = to_f64(row[3]);
    tick.volume = to_u64(row[4]);
    tick.time_msc = to_i64(row[5]);
    tick.flags = static_cast<uint>(to_u64(row[6]));
    tick.volume_real = to_f64(row[7]);
    return true;
}

datetime TimeTradeServer() { return to_i64(state(BROKER_MS)) / 1000; }

int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, int start, int count, ArrRef<MqlRates> out) {
    return rates(name, timeframe, 0, start, 0, count, out);
}
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, int count, ArrRef<MqlRates> out) {
    return rates(name, timeframe, 2, 0, start, count, out);
}
int CopyRates(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop, ArrRef<MqlRates> out) {
    return rates(name, timeframe, 1, start < stop ? start : stop, start < stop ? stop : start, 100'000, out);
}
int CopyTicks(const string &name, ArrRef<MqlTick> out, uint flags, ulong from, uint count) {
    return ticks(name, out, flags, from == 0 ? "last" : "from", from, 0, count == 0 ? 2000 : count);
}
int CopyTicksRange(const string &name, ArrRef<MqlTick> out, uint flags, ulong from, ulong to) {
    return ticks(name, out, flags, "range", from, to == 0 ? 1UL << 60 : to, 100'000);
}
long SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property) {
    return series_info(name, timeframe, property);
}
bool SeriesInfoInteger(const string &name, ENUM_TIMEFRAMES timeframe, ENUM_SERIES_INFO_INTEGER property, long &out) {
    if (series(name, timeframe).empty()) return false;
    out = series_info(name, timeframe, property);
    return true;
}
int Bars(const string &name, ENUM_TIMEFRAMES timeframe) {
    return static_cast<int>(series_info(name, timeframe, SERIES_BARS_COUNT));
}
int Bars(const string &name, ENUM_TIMEFRAMES timeframe, datetime start, datetime stop) {
    DynArr<MqlRates> between;
    const int count = CopyRates(name, timeframe, start, stop, between);
    return count < 0 ? 0 : count;
}
int iBars(const string &name, ENUM_TIMEFRAMES timeframe) { return Bars(name, timeframe); }
datetime iTime(const string &name, ENUM_TIMEFRAMES timeframe, int shift) {
    DynArr<MqlRates> one;
    return CopyRates(name, timeframe, shift, 1, one) == 1 ? one[0].time : 0;
}

bool MarketBookAdd(const string &name) {
    Row answer = host_ask({"book_add", name.to_utf8()});
    if (!answer.empty() && answer[0] == "0") return true;
    set_last_error(BOOKS_CANNOT_ADD);
    return false;
}
bool MarketBookRelease(const string &name) {
    host_ask({"book_release", name.to_utf8()});
    return true;
}
bool MarketBookGet(const string &name, ArrRef<MqlBookInfo> out) {
    Row answer = host_ask({"book", name.to_utf8()});
    if (answer.empty() || answer[0] == "-") {
        set_last_error(BOOKS_CANNOT_GET);
        return false;
    }
    std::vector<Row> levels = rows(answer, 4);
    if (out.is_dynamic()) out.resize(static_cast<int>(levels.size()), 0);
    for (std::size_t at = 0; at < levels.size() && static_cast<long>(at) < out.count(); ++at) {
        MqlBookInfo level;
        level.type = static_cast<ENUM_BOOK_TYPE>(to_u64(levels[at][0]));
        level.price = to_f64(levels[at][1]);
        level.volume = to_i64(levels[at][2]);
        level.volume_real = to_f64(levels[at][3]);
        out[at] = level;
    }
    return true;
}

// ---- what is open ----

int PositionsTotal() { return static_cast<int>(positions().size()); }

ulong PositionGetTicket(int index) {
    std::vector<Row> all = positions();
    const bool there = index >= 0 && static_cast<std::size_t>(index) < all.size();
    return take(there ? &all[static_cast<std::size_t>(index)] : nullptr, g_position, POSITION_NOT_FOUND) ? to_u64(g_position[0]) : 0;
}

string PositionGetSymbol(int index) { return PositionGetTicket(index) == 0 ? string::utf8("") : words(g_position[POSITION_SYMBOL]); }

bool PositionSelect(const string &name) {
    // On a hedging account: the one with the lowest ticket. Rows are in the order of tickets.
    for (const Row &row : positions())
        if (row[POSITION_SYMBOL] == name.to_utf8()) return take(&row, g_position, 0);
    return take(nullptr, g_position, POSITION_NOT_FOUND);
}

bool PositionSelectByTicket(ulong ticket) {
    std::vector<Row> all = positions();
    return take(find(all, ticket), g_position, POSITION_NOT_FOUND);
}

int OrdersTotal() { return static_cast<int>(orders().size()); }

ulong OrderGetTicket(int index) {
    std::vector<Row> all = orders();
    const bool there = index >= 0 && static_cast<std::size_t>(index) < all.size();
    return take(there ? &all[static_cast<std::size_t>(index)] : nullptr, g_order, ORDER_NOT_FOUND) ? to_u64(g_order[0]) : 0;
}

bool OrderSelect(ulong ticket) {
    std::vector<Row> all = orders();
    return take(find(all, ticket), g_order, ORDER_NOT_FOUND);
}

bool PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER p, long &out) { return get(&g_position, p, POSITION_NOT_FOUND, out, integer); }
bool PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE p, double &out) { return get(&g_position, p, POSITION_NOT_FOUND, out, to_f64); }
bool PositionGetString(ENUM_POSITION_PROPERTY_STRING p, string &out) { return get(&g_position, p, POSITION_NOT_FOUND, out, words); }
bool OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER p, long &out) { return get(&g_order, p, ORDER_NOT_FOUND, out, integer); }
bool OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE p, double &out) { return get(&g_order, p, ORDER_NOT_FOUND, out, to_f64); }
bool OrderGetString(ENUM_ORDER_PROPERTY_STRING p, string &out) { return get(&g_order, p, ORDER_NOT_FOUND, out, words); }

long PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER p) { long out = 0; PositionGetInteger(p, out); return out; }
double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE p) { double out = 0; PositionGetDouble(p, out); return out; }
string PositionGetString(ENUM_POSITION_PROPERTY_STRING p) { string out = string::utf8(""); PositionGetString(p, out); return out; }
long OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER p) { long out = 0; OrderGetInteger(p, out); return out; }
double OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE p) { double out = 0; OrderGetDouble(p, out); return out; }
string OrderGetString(ENUM_ORDER_PROPERTY_STRING p) { string out = string::utf8(""); OrderGetString(p, out); return out; }

// ---- history ----

bool HistorySelect(datetime from, datetime to) {
    g_deals = rows(host_ask({"deals", std::to_string(from), std::to_string(to), "0", "0"}), DEAL_FIELDS);
    g_history_orders = rows(host_ask({"history_orders", std::to_string(from), std::to_string(to), "0", "0"}), ORDER_FIELDS);
    return true;
}

bool HistorySelectByPosition(ulong position) {
    const std::string end = std::to_string(1L << 40), id = std::to_string(position);
    g_deals = rows(host_ask({"deals", "0", end, id, "0"}), DEAL_FIELDS);
    g_history_orders = rows(host_ask({"history_orders", "0", end, id, "0"}), ORDER_FIELDS);
    return !g_deals.empty() || !g_history_orders.empty();
}

bool HistoryDealSelect(ulong ticket) {
    std::vector<Row> found = rows(host_ask({"deals", "0", std::to_string(1L << 40), "0", std::to_string(ticket)}), DEAL_FIELDS);
    const Row *deal = find(found, ticket);
    if (deal == nullptr) {
        set_last_error(DEAL_NOT_FOUND);
        return false;
    }
    g_deals = {*deal};
    return true;
}

bool HistoryOrderSelect(ulong ticket) {
    g_history_orders =
        rows(host_ask({"history_orders", "0", std::to_string(1L << 40), "0", std::to_string(ticket)}), ORDER_FIELDS);
    if (g_history_orders.empty()) set_last_error(ORDER_NOT_FOUND);
    return !g_history_orders.empty();
}

int HistoryDealsTotal() { return static_cast<int>(g_deals.size()); }
int HistoryOrdersTotal() { return static_cast<int>(g_history_orders.size()); }

ulong HistoryDealGetTicket(int index) {
    if (index >= 0 && static_cast<std::size_t>(index) < g_deals.size()) return to_u64(g_deals[static_cast<std::size_t>(index)][0]);
    set_last_error(DEAL_NOT_FOUND);
    return 0;
}
ulong HistoryOrderGetTicket(int index) {
    if (index >= 0 && static_cast<std::size_t>(index) < g_history_orders.size())
        return to_u64(g_history_orders[static_cast<std::size_t>(index)][0]);
    set_last_error(ORDER_NOT_FOUND);
    return 0;
}

namespace {
// Programs walk the lists in order: the last place found is the best guess.
const Row *walk(const std::vector<Row> &in, ulong ticket) {
    static std::size_t last = 0;
    for (std::size_t step = 0; step < 2 && last + step < in.size(); ++step)
        if (to_u64(in[last + step][0]) == ticket) return &in[last += step];
    const Row *found = find(in, ticket);
    last = found == nullptr ? 0 : static_cast<std::size_t>(found - in.data());
    return found;
}
} // namespace

bool HistoryDealGetInteger(ulong t, ENUM_DEAL_PROPERTY_INTEGER p, long &out) { return get(walk(g_deals, t), p, DEAL_NOT_FOUND, out, integer); }
bool HistoryDealGetDouble(ulong t, ENUM_DEAL_PROPERTY_DOUBLE p, double &out) { return get(walk(g_deals, t), p, DEAL_NOT_FOUND, out, to_f64); }
bool HistoryDealGetString(ulong t, ENUM_DEAL_PROPERTY_STRING p, string &out) { return get(walk(g_deals, t), p, DEAL_NOT_FOUND, out, words); }
bool HistoryOrderGetInteger(ulong t, ENUM_ORDER_PROPERTY_INTEGER p, long &out) { return get(walk(g_history_orders, t), p, ORDER_NOT_FOUND, out, integer); }
bool HistoryOrderGetDouble(ulong t, ENUM_ORDER_PROPERTY_DOUBLE p, double &out) { return get(walk(g_history_orders, t), p, ORDER_NOT_FOUND, out, to_f64); }
bool HistoryOrderGetString(ulong t, ENUM_ORDER_PROPERTY_STRING p, string &out) { return get(walk(g_history_orders, t), p, ORDER_NOT_FOUND, out, words); }
long HistoryDealGetInteger(ulong t, ENUM_DEAL_PROPERTY_INTEGER p) { long out = 0; HistoryDealGetInteger(t, p, out); return out; }
double HistoryDealGetDouble(ulong t, ENUM_DEAL_PROPERTY_DOUBLE p) { double out = 0; HistoryDealGetDouble(t, p, out); return out; }
string HistoryDealGetString(ulong t, ENUM_DEAL_PROPERTY_STRING p) { string out = string::utf8(""); HistoryDealGetString(t, p, out); return out; }
long HistoryOrderGetInteger(ulong t, ENUM_ORDER_PROPERTY_INTEGER p) { long out = 0; HistoryOrderGetInteger(t, p, out); return out; }
double HistoryOrderGetDouble(ulong t, ENUM_ORDER_PROPERTY_DOUBLE p) { double out = 0; HistoryOrderGetDouble(t, p, out); return out; }
string HistoryOrderGetString(ulong t, ENUM_ORDER_PROPERTY_STRING p) { string out = string::utf8(""); HistoryOrderGetString(t, p, out); return out; }

// ---- trading ----

bool OrderSend(const MqlTradeRequest &request, MqlTradeResult &result) { return send("send", request, result); }
bool OrderSendAsync(const MqlTradeRequest &request, MqlTradeResult &result) { return send("send_async", request, result); }

bool OrderCheck(const MqlTradeRequest &request, MqlTradeCheckResult &result) {
    Row question = fields_of(request);
    question.insert(question.begin(), "check");
    Row f = host_ask(question);
    result = MqlTradeCheckResult{};
    if (f.size() < 8) return false;
    result.retcode = static_cast<uint>(to_u64(f[0]));
    result.balance = to_f64(f[1]);
    result.equity = to_f64(f[2]);
    result.profit = to_f64(f[3]);
    result.margin = to_f64(f[4]);
    result.margin_free = to_f64(f[5]);
    result.margin_level = to_f64(f[6]);
    result.comment = words(f[7]);
    if (result.retcode != 0) set_last_error(TRADE_SEND_FAILED);
    return result.retcode == 0;
}

bool OrderCalcMargin(ENUM_ORDER_TYPE type, const string &name, double volume, double price, double &margin) {
    Row f = host_ask({"margin", std::to_string(type), name.to_utf8(), of_f64(volume), of_f64(price)});
    if (f.size() < 2) {
        set_last_error(f.empty() || f[0] == "4" ? 4301 : 4003);
        return false;
    }
    margin = to_f64(f[1]);
    return true;
}

bool OrderCalcProfit(ENUM_ORDER_TYPE type, const string &name, double volume, double open, double close, double &profit) {
    Row f = host_ask({"profit", std::to_string(type), name.to_utf8(), of_f64(volume), of_f64(open), of_f64(close)});
    if (f.size() < 2) {
        set_last_error(f.empty() || f[0] == "4" ? 4301 : 4003);
        return false;
    }
    profit = to_f64(f[1]);
    return true;
}

// ---- what the host pushes ----

namespace terminal {

void dispatch(const HostEvent &event) {
    const Program &program = mql_program_table;
    const Row &f = event.fields;
    if (event.name == "transaction" && program.OnTradeTransaction != nullptr && f.size() >= 16) {
        MqlTradeTransaction t{};
        t.type = static_cast<ENUM_TRADE_TRANSACTION_TYPE>(to_u64(f[0]));
        t.deal = to_u64(f[1]);
        t.order = to_u64(f[2]);
        t.symbol = words(f[3]);
        t.order_type = static_cast<ENUM_ORDER_TYPE>(to_u64(f[4]));
        t.order_state = static_cast<ENUM_ORDER_STATE>(to_u64(f[5]));
        t.deal_type = static_cast<ENUM_DEAL_TYPE>(to_u64(f[6]));
        t.time_type = static_cast<ENUM_ORDER_TYPE_TIME>(to_u64(f[7]));
        t.time_expiration = to_i64(f[8]);
        t.price = to_f64(f[9]);
        t.price_trigger = to_f64(f[10]);
        t.price_sl = to_f64(f[11]);
        t.price_tp = to_f64(f[12]);
        t.volume = to_f64(f[13]);
        t.position = to_u64(f[14]);
        t.position_by = to_u64(f[15]);
        const bool of_request = f.size() >= 16 + REQUEST_FIELDS + RESULT_FIELDS;
        MqlTradeRequest request = of_request ? request_of(f, 16) : MqlTradeRequest{};
        MqlTradeResult result = of_request ? result_of(f, 16 + REQUEST_FIELDS) : MqlTradeResult{};
        program.OnTradeTransaction(t, request, result);
    } else if (event.name == "trade" && program.OnTrade != nullptr) {
        program.OnTrade();
    } else if (event.name == "tick" && program.OnTick != nullptr) {
        program.OnTick();
    } else if (event.name == "book" && program.OnBookEvent != nullptr && !f.empty()) {
        program.OnBookEvent(words(f[0]));
    }
}

} // namespace terminal

} // namespace mql
