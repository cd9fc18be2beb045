// The table of charts and of what is drawn on them.
#include "runtime.hpp"

namespace mql {

string _Symbol;

namespace {
enum { CHART_NOT_FOUND = 4103, OBJECT_NOT_FOUND = 4202, OBJECT_ALREADY = 4200, WRONG_NAME = 4003 };

struct Thing {
    ENUM_OBJECT type;
    int window;
    std::map<std::pair<int, int>, long> integers;
    std::map<std::pair<int, int>, double> reals;
    std::map<std::pair<int, int>, string> texts;
};
struct Drawing {
    std::map<std::string, Thing> things;
    std::map<int, long> integers;
    std::map<int, string> texts;
};
auto &drawings = *new std::map<long, Drawing>;

const ChartState *chart_state(long id) {
    for (const ChartState &c : charts())
        if (id == 0 || c.id == id) return &c;
    return failed<const ChartState *>(CHART_NOT_FOUND, nullptr);
}
Drawing *drawing(long id) {
    const ChartState *state = chart_state(id);
    return state == nullptr ? nullptr : &drawings[state->id];
}
Thing *thing(long chart, const string &name) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return nullptr;
    const auto found = d->things.find(name.to_utf8());
    return found == d->things.end() ? failed<Thing *>(OBJECT_NOT_FOUND, nullptr) : &found->second;
}
void tell(const char *what, long chart, const string &name, const std::string &detail, const std::string &value) {
    const ChartState *state = chart_state(chart);
    host::tell("object", {what, std::to_string(state == nullptr ? 0 : state->id), name.to_utf8(), detail, value});
}
bool chosen(const Thing &t, int window, int type) { return (window < 0 || t.window == window) && (type < 0 || t.type == type); }
std::string digits(double value) { return string(value).to_utf8(); }
} // namespace

// ---- charts ----

std::vector<ChartState> &charts() {
    static auto &all = *new std::vector<ChartState>{{.id = 131700000000000001, .symbol = options().symbol, .period_minutes = options().period_minutes}};
    return all;
}
void set_chart(const std::string &symbol, int period_minutes) {
    charts().front().symbol = symbol;
    charts().front().period_minutes = period_minutes;
    _Symbol = string::utf8(symbol);
}
int period_of_minutes(int minutes) {
    if (mql_program_table.dialect == 4 || minutes < 60) return minutes;
    if (minutes >= 43200) return 0xC001;
    return minutes >= 10080 ? 0x8001 : 0x4000 + minutes / 60;
}

long ChartID() { return charts().front().id; }
long ChartFirst() { return charts().front().id; }
long ChartNext(long chart) {
    for (std::size_t i = 0; i + 1 < charts().size(); ++i)
        if (charts()[i].id == chart) return charts()[i + 1].id;
    return -1;
}
void ChartRedraw(long) {}
string ChartSymbol(long chart) {
    const ChartState *state = chart_state(chart);
    return state == nullptr ? string(u"") : string::utf8(state->symbol);
}
int chart_period(long chart) {
    const ChartState *state = chart_state(chart);
    return state == nullptr ? 0 : period_of_minutes(state->period_minutes);
}
string Symbol() { return ChartSymbol(0); }
bool ChartSetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, long value) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return false;
    d->integers[property] = value;
    return true;
}
long ChartGetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, int) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return 0;
    if (d->integers.contains(property)) return d->integers[property];
    switch (property) {
    case CHART_SHOW: return 1;
    case CHART_WIDTH_IN_PIXELS: return 1200;
    case CHART_HEIGHT_IN_PIXELS: return 700;
    case CHART_VISIBLE_BARS:
    case CHART_WIDTH_IN_BARS:
    case CHART_FIRST_VISIBLE_BAR: return 100;
    case CHART_WINDOWS_TOTAL: return 1;
    default: return 0;
    }
}
bool ChartSetString(long chart, ENUM_CHART_PROPERTY_STRING property, const string &value) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return false;
    d->texts[property] = value;
    if (property == CHART_COMMENT) text::comment(value);
    return true;
}
string ChartGetString(long chart, ENUM_CHART_PROPERTY_STRING property) {
    Drawing *d = drawing(chart);
    return d == nullptr ? string(u"") : d->texts[property];
}

// ---- objects ----

bool ObjectCreate(long chart, const string &name, ENUM_OBJECT type, int window, datetime time1, double price1, datetime time2, double price2, datetime time3,
                  double price3) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return false;
    if (name.length() == 0 || name.length() > 63) return failed(WRONG_NAME, false);
    if (d->things.contains(name.to_utf8())) return failed(OBJECT_ALREADY, false);
    Thing &made = d->things[name.to_utf8()];
    made.type = type;
    made.window = window;
    const datetime times[] = {time1, time2, time3};
    const double prices[] = {price1, price2, price3};
    for (int i = 0; i < 3; ++i) {
        made.integers[{OBJPROP_TIME, i}] = times[i];
        made.reals[{OBJPROP_PRICE, i}] = prices[i];
    }
    tell("create", chart, name, std::to_string(type), std::to_string(time1) + " " + digits(price1) + " " + std::to_string(time2) + " " + digits(price2));
    return true;
}
bool ObjectDelete(long chart, const string &name) {
    if (thing(chart, name) == nullptr) return false;
    tell("delete", chart, name, "", "");
    drawing(chart)->things.erase(name.to_utf8());
    return true;
}
int ObjectsDeleteAll(long chart, const string &prefix, int window, int type) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return -1;
    std::vector<std::string> names;
    for (const auto &[name, t] : d->things)
        if (name.starts_with(prefix.to_utf8()) && chosen(t, window, type)) names.push_back(name);
    for (const std::string &name : names) ObjectDelete(chart, string::utf8(name));
    return static_cast<int>(names.size());
}
int ObjectsDeleteAll(long chart, int window, int type) { return ObjectsDeleteAll(chart, string(u""), window, type); }
int ObjectFind(long chart, const string &name) {
    const Thing *t = thing(chart, name);
    return t == nullptr ? -1 : t->window;
}
bool ObjectMove(long chart, const string &name, int point, datetime time, double price) {
    Thing *t = thing(chart, name);
    if (t == nullptr || point < 0 || point > 2) return false;
    t->integers[{OBJPROP_TIME, point}] = time;
    t->reals[{OBJPROP_PRICE, point}] = price;
    tell("move", chart, name, std::to_string(point), std::to_string(time) + " " + digits(price));
    return true;
}

bool ObjectSetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier, long value) {
    Thing *t = thing(chart, name);
    if (t == nullptr) return false;
    long &kept = t->integers[{property, modifier}];
    if (kept != value) tell("integer", chart, name, std::to_string(property), std::to_string(value));
    kept = value;
    return true;
}
bool ObjectSetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, long value) {
    return ObjectSetInteger(chart, name, property, 0, value);
}
bool ObjectSetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier, double value) {
    Thing *t = thing(chart, name);
    if (t == nullptr) return false;
    t->reals[{property, modifier}] = value;
    tell("double", chart, name, std::to_string(property), digits(value));
    return true;
}
bool ObjectSetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, double value) {
    return ObjectSetDouble(chart, name, property, 0, value);
}
bool ObjectSetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier, const string &value) {
    Thing *t = thing(chart, name);
    if (t == nullptr) return false;
    string kept = value;
    if (property == OBJPROP_TEXT && value.length() > 63) kept = StringSubstr(value, 0, 63); // what a label shows
    string &there = t->texts[{property, modifier}];
    if (!(there == kept)) tell("text", chart, name, std::to_string(property), kept.to_utf8());
    there = kept;
    return true;
}
bool ObjectSetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, const string &value) {
    return ObjectSetString(chart, name, property, 0, value);
}
long ObjectGetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier) {
    Thing *t = thing(chart, name);
    if (t == nullptr) return 0;
    return property == OBJPROP_TYPE ? static_cast<long>(t->type) : t->integers[{property, modifier}];
}
double ObjectGetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier) {
    Thing *t = thing(chart, name);
    return t == nullptr ? 0 : t->reals[{property, modifier}];
}
string ObjectGetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier) {
    Thing *t = thing(chart, name);
    return t == nullptr ? string(u"") : property == OBJPROP_NAME ? name : t->texts[{property, modifier}];
}
int ObjectsTotal(long chart, int window, int type) {
    Drawing *d = drawing(chart);
    if (d == nullptr) return 0;
    return static_cast<int>(std::count_if(d->things.begin(), d->things.end(), [&](const auto &entry) { return chosen(entry.second, window, type); }));
}
string ObjectName(long chart, int index, int window, int type) {
    Drawing *d = drawing(chart);
    if (d != nullptr)
        for (const auto &[name, t] : d->things)
            if (chosen(t, window, type) && index-- == 0) return string::utf8(name);
    return string(u"");
}

} // namespace mql
