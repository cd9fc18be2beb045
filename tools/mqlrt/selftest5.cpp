// What the runtime promises to MQL5 programs: language, files, clocks, sockets. Run without arguments but --files DIR.
#include "mql5.hpp"
#include "selftest.hpp"

namespace mql_program {
using namespace mql;

// ---- language ----

struct Record {
    MQL_AGGREGATE(Record)
    int number;
    double value;
};
class Base {
    MQL_AGGREGATE(Base)
    virtual ~Base() {}
    int unset;
};
class Derived : public Base {
    MQL_AGGREGATE(Derived)
    int more = 0;
};

void a_string_can_be_null_which_is_not_empty() {
    string none;
    CHECK(none == NULL && !(none == ""_s) && StringLen(none) == 0);
    none += "a"_s;
    CHECK(none == "a"_s && !(none == NULL));
    CHECK(StringSubstr("hello"_s, 1, 3) == "ell"_s && StringFind("hello"_s, "l"_s, 3) == 3 && StringSubstr("hello"_s, 9) == ""_s);
    string replaced = "a.b.c"_s;
    CHECK(StringReplace(replaced, "."_s, "::"_s) == 2 && replaced == "a::b::c"_s);
    CHECK(dies([] { (void)"ab"_s[2]; }));
}

void conversions_count_the_terminating_zero_and_know_their_code_page() {
    DynArr<uchar> bytes;
    const string text = "é😀"_s;
    CHECK(StringLen(text) == 3 && StringToCharArray(text, bytes, 0, WHOLE_ARRAY, CP_UTF8) == 7 && bytes[6] == 0);
    CHECK(CharArrayToString(bytes, 0, WHOLE_ARRAY, CP_UTF8) == text);
    CHECK(StringToCharArray(text, bytes) == 4 && bytes[0] == 0xE9 && bytes[1] == '?' && ArraySize(bytes) == 7); // ANSI; never shrunk
    const auto broken = mkfix<uchar>({'a', 0xC3, 'b', 0xED, 0xA0, 0x80, 0});
    CHECK(CharArrayToString(broken, 0, WHOLE_ARRAY, CP_UTF8) == "a\xEF\xBF\xBD" "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"_s);
    const auto cut = mkfix<uchar>({'a', 0, 'b'});
    CHECK(CharArrayToString(cut, 0, 3, CP_UTF8) == "a"_s);
}

void formats_without_i64_lose_the_upper_half() {
    CHECK(StringFormat("%d|%I64d|%5.2f|%s|%%"_s, 4294967297L, 4294967297L, 1.005, "x"_s) == "1|4294967297| 1.00|x|%"_s);
    CHECK(StringFormat("%s"_s, 5) == "(non-string passed)"_s && StringFormat("%02X"_s, 10) == "0A"_s);
    CHECK(DoubleToString(1.005, 2) == "1.00"_s && (string)0.1 == "0.1"_s && IntegerToString(7, 3, '0') == "007"_s && (string) true == "true"_s);
    CHECK(StringToDouble(" -1.5e3x"_s) == -1500 && StringToDouble("inf"_s) == 0 && StringToInteger("12a"_s) == 12);
    CHECK(TimeToString(StringToTime("2024.02.29 13:14:15"_s), TIME_DATE | TIME_SECONDS) == "2024.02.29 13:14:15"_s);
}

void arrays_check_their_bounds_and_poison_what_is_new() {
    DynArr<uchar> grown;
    CHECK(ArrayResize(grown, 3) == 3 && grown[2] == 0xCD && ArrayResize(grown, 5) == 5 && grown[4] == 0xCD);
    DynArr<Record> records;
    ArrayResize(records, 1);
    CHECK(records[0]->number == static_cast<int>(0xCDCDCDCD));
    CHECK(dies([&] { grown[5] = 1; }) && dies([&] { grown[-1] = 1; }));
    Fix<int, 2, 3> table = {1, 2, 3, 4, 5, 6};
    CHECK(table[1][0] == 4 && ArraySize(table) == 6 && ArrayRange(table, 1) == 3 && sizeof table == 24);
    CHECK(dies([&] { table[1][3] = 0; }) && ArrayResize(ArrRef<Fix<int, 3>>(table), 5) == -1);
    grown[0] = 9;
    CHECK(ArraySetAsSeries(grown, true) && grown[4] == 9 && !ArraySetAsSeries(table, true));
    DynArr<uchar> target;
    CHECK(ArrayCopy(target, mkfix<uchar>({1, 2, 3}), 2, 1) == 2 && ArraySize(target) == 4 && target[2] == 2 && target[0] == 0xCD);
    CHECK(ArrayRemove(target, 0, 2) && ArraySize(target) == 2 && target[1] == 3 && ArrayInsert(target, mkfix<uchar>({7, 8}), 1) && target[1] == 7 && target[3] == 3);
}

void pointers_know_the_dead() {
    Ptr<Base> p = mql_new<Derived>();
    CHECK(p->unset == static_cast<int>(0xCDCDCDCD) && CheckPointer(p) == POINTER_DYNAMIC && CheckPointer(mql_cast<Derived>(p)) == POINTER_DYNAMIC);
    const Ptr<Base> same = p, none;
    mql_delete(p);
    CHECK(CheckPointer(same) == POINTER_INVALID && dies([&] { (void)same->unset; }) && dies([&] { mql_delete(same); }) && dies([&] { (void)none->unset; }));
    Base automatic;
    CHECK(CheckPointer(GetPointer(automatic)) == POINTER_AUTOMATIC && dies([&] { mql_delete(GetPointer(automatic)); }));
}

void forgotten_objects_are_told_at_the_end() {
    CHECK(code_of([] {
              if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(98);
              mql_new<Base>();
              std::exit(0);
          }) == 73);
}

void hashes_and_base64_are_right() {
    DynArr<uchar> data, key, out, encoded;
    StringToCharArray("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"_s, data, 0, 60, CP_UTF8);
    CHECK(CryptEncode(CRYPT_HASH_SHA1, data, key, out) == 20 && CryptEncode(CRYPT_BASE64, out, key, encoded) == 28);
    CHECK(CharArrayToString(encoded, 0, 28, CP_UTF8) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="_s); // RFC 6455, 1.3
    DynArr<uchar> back;
    CHECK(CryptDecode(CRYPT_BASE64, encoded, key, back) == 20 && ArrayCompare(back, out) == 0);
    StringToCharArray("abc"_s, data, 0, 3, CP_UTF8);
    ArrayResize(data, 3);
    CHECK(CryptEncode(CRYPT_HASH_SHA256, data, key, out) == 32 && out[0] == 0xBA && out[1] == 0x78 && out[31] == 0xAD);
    CHECK(CryptEncode(CRYPT_HASH_MD5, data, key, out) == 16 && out[0] == 0x90 && out[15] == 0x72);
}

// ---- clocks and terminal ----

void tick_count_wraps_soon_after_the_start() {
    const ulong now = GetTickCount64();
    CHECK(now > 4294967295UL - 5000 && now < 4294967296UL + 60'000 && GetMicrosecondCount() < 60'000'000);
    CHECK(static_cast<uint>(now) - GetTickCount() + 1000u < 2000u);
    const datetime before = TimeLocal();
    shift_wall_clock(3600);
    CHECK(TimeLocal() - before >= 3600 && TimeLocal() - before < 3605);
    shift_wall_clock(-3600);
    CHECK(TimeLocal() - wall_micros() / 1'000'000 == 19800);
    MqlDateTime parts;
    CHECK(TimeToStruct(1709212455, parts) && parts->mon == 2 && parts->day == 29 && parts->day_of_week == 4 && StructToTime(parts) == 1709212455);
}

void global_variables_hold_doubles_under_short_names() {
    CHECK(GlobalVariableSet("mtb"_s, 1) > 0 && GlobalVariableSetOnCondition("mtb"_s, 2, 1) && !GlobalVariableSetOnCondition("mtb"_s, 3, 1));
    double value = 0;
    CHECK(GlobalVariableGet("mtb"_s, value) && value == 2 && !GlobalVariableCheck("other"_s) && GetLastError() == 4501);
    CHECK(GlobalVariableSet(string(std::u16string(64, u'x')), 1) == 0 && GlobalVariableDel("mtb"_s));
}

void objects_are_found_by_name_and_prefix() {
    CHECK(ObjectCreate(0, "mtb_a"_s, OBJ_TEXT, 0, 100, 1.5) && !ObjectCreate(0, "mtb_a"_s, OBJ_TEXT, 0, 0, 0) && ObjectCreate(ChartID(), "other"_s, OBJ_HLINE, 0, 0, 2));
    CHECK(ObjectSetString(0, "mtb_a"_s, OBJPROP_TEXT, "hi"_s) && ObjectGetString(0, "mtb_a"_s, OBJPROP_TEXT) == "hi"_s && ObjectGetDouble(0, "mtb_a"_s, OBJPROP_PRICE) == 1.5);
    CHECK(ObjectFind(0, "none"_s) < 0 && !ObjectSetInteger(77, "mtb_a"_s, OBJPROP_COLOR, 1) && ObjectsTotal(0) == 2);
    CHECK(ObjectsDeleteAll(0, "mtb_"_s) == 1 && ObjectsTotal(0) == 1 && ObjectName(0, 0) == "other"_s && ChartNext(ChartFirst()) == -1);
    CHECK(ChartSymbol(0) == _Symbol && Period() == PERIOD_H1);
}

// ---- files ----

void a_file_without_a_share_flag_is_a_lock() {
    const int first = FileOpen("lock.bin"_s, FILE_READ | FILE_WRITE | FILE_BIN);
    CHECK(first > 0 && FileOpen("lock.bin"_s, FILE_READ | FILE_BIN | FILE_SHARE_READ | FILE_SHARE_WRITE) == INVALID_HANDLE && GetLastError() == 5004);
    // For another process, too, and only as long as this one has it.
    const auto other = [] { _exit(FileOpen("LOCK.bin"_s, FILE_READ | FILE_WRITE | FILE_BIN) > 0 ? 0 : 1); };
    CHECK(code_of(other) == 1 && !FileDelete("lock.bin"_s) && !FileMove("lock.bin"_s, 0, "moved.bin"_s, FILE_REWRITE));
    FileClose(first);
    CHECK(code_of(other) == 0);
    const int one = FileOpen("lock.bin"_s, FILE_READ | FILE_WRITE | FILE_BIN | FILE_SHARE_READ);
    const int two = FileOpen("lock.bin"_s, FILE_READ | FILE_BIN | FILE_SHARE_READ | FILE_SHARE_WRITE);
    CHECK(one > 0 && two > 0 && FileOpen("lock.bin"_s, FILE_WRITE | FILE_BIN | FILE_SHARE_READ | FILE_SHARE_WRITE) == INVALID_HANDLE);
    FileClose(one), FileClose(two);
    CHECK(FileMove("lock.bin"_s, 0, "sub\\moved.bin"_s, FILE_REWRITE) && FileIsExist("SUB\\Moved.bin"_s) && !FileIsExist("lock.bin"_s));
    CHECK(FileOpen("..\\out.bin"_s, FILE_WRITE | FILE_BIN) == INVALID_HANDLE && FileOpen("C:\\out.bin"_s, FILE_WRITE | FILE_BIN) == INVALID_HANDLE);
    CHECK(FileOpen("none.bin"_s, FILE_READ | FILE_BIN) == INVALID_HANDLE && GetLastError() == 5004 && FileDelete("sub\\moved.bin"_s));
}

void what_was_not_flushed_dies_with_the_process() {
    const auto write_and_die = [](bool flushed) {
        code_of([=] {
            const int h = FileOpen("journal.bin"_s, FILE_READ | FILE_WRITE | FILE_BIN);
            FileWriteInteger(h, 7);
            if (flushed) FileFlush(h);
            kill(getpid(), SIGKILL);
        });
        const int h = FileOpen("journal.bin"_s, FILE_READ | FILE_BIN);
        const ulong size = FileSize(h);
        FileClose(h);
        return size;
    };
    CHECK(write_and_die(false) == 0 && write_and_die(true) == 4);
}

void reading_after_writing_needs_a_flush_between() {
    const int h = FileOpen("rw.bin"_s, FILE_READ | FILE_WRITE | FILE_BIN);
    const auto data = mkfix<uchar>({1, 2, 3, 4, 5});
    CHECK(FileWriteArray(h, data) == 5 && FileSize(h) == 5 && FileTell(h) == 5 && FileSeek(h, 1, SEEK_SET));
    CHECK(dies([=] { FileReadInteger(h, 1); }));
    FileFlush(h);
    DynArr<uchar> back;
    CHECK(FileReadInteger(h, 1) == 2 && FileReadArray(h, back) == 3 && back[2] == 5 && FileIsEnding(h));
    CHECK(dies([=] { FileWriteInteger(h, 1); }));
    FileFlush(h);
    CHECK(FileWriteInteger(h, 1) == 4 && FileSize(h) == 9);
    FileClose(h);
    CHECK(FileOpen("rw.bin"_s, FILE_READ | FILE_BIN) > 0 && FileWriteInteger(h, 1) == 0 && GetLastError() == 5009);
    FileClose(h);
}

void a_full_disk_takes_a_part_and_says_so() {
    const int h = FileOpen("full.bin"_s, FILE_WRITE | FILE_BIN);
    set_disk_room(6);
    ResetLastError();
    CHECK(FileWriteLong(h, 1) == 6 && GetLastError() == 5026 && FileWriteInteger(h, 1) == 0);
    set_disk_room(-1);
    FileFlush(h);
    CHECK(FileSize(h) == 6 && FileWriteInteger(h, 1) == 4);
    FileClose(h);
}

void texts_are_wide_unless_ansi_is_asked_for() {
    int h = FileOpen("t.txt"_s, FILE_WRITE | FILE_TXT | FILE_ANSI, 0, CP_UTF8);
    CHECK(FileWrite(h, "é"_s, 5) == 5);
    FileClose(h);
    h = FileOpen("t.txt"_s, FILE_READ | FILE_TXT | FILE_ANSI, 0, CP_UTF8);
    FileReadString(h);
    CHECK(FileIsEnding(h) && FileIsLineEnding(h));
    FileClose(h);
    h = FileOpen("t.csv"_s, FILE_WRITE | FILE_CSV, ';');
    CHECK(FileWrite(h, 1, "b"_s) == 10);
    FileClose(h);
    string found;
    const long search = FileFindFirst("T.*"_s, found);
    CHECK(search > 0 && found == "t.csv"_s && FileFindNext(search, found) && found == "t.txt"_s && !FileFindNext(search, found));
    FileFindClose(search);
}

// ---- sockets ----

void an_empty_socket_claims_one_readable_byte() {
    const Listener hub;
    const int s = SocketCreate();
    CHECK(SocketConnect(s, "127.0.0.1"_s, hub.port, 1000) && SocketIsConnected(s) && SocketIsWritable(s));
    const int there = hub.take();
    DynArr<uchar> got;
    ResetLastError();
    CHECK(SocketIsReadable(s) == 1 && SocketRead(s, got, 1, 1) == -1 && GetLastError() == 0 && SocketIsConnected(s));
    set_quirk("bogus_readable", false);
    CHECK(SocketIsReadable(s) == 0);
    set_quirk("bogus_readable", true);
    CHECK(send(there, "hello", 5, 0) == 5);
    std::string all;
    while (all.size() < 5) {
        const int n = SocketRead(s, got, 5 - static_cast<uint>(all.size()), 1000);
        CHECK(n > 0);
        for (int i = 0; i < n; ++i) all += static_cast<char>(got[i]);
    }
    CHECK(all == "hello");
    close(there);
    while (SocketIsReadable(s) == 1 && SocketIsConnected(s)) usleep(1000);
    CHECK(SocketIsReadable(s) == 0 && !SocketIsConnected(s) && SocketRead(s, got, 1, 1) == -1 && GetLastError() == 5273);
    CHECK(SocketClose(s) && !SocketClose(s) && GetLastError() == 5270 && SocketIsReadable(s) == 0);
}

void writes_and_reads_come_in_pieces() {
    const Listener hub;
    const int s = SocketCreate();
    CHECK(SocketConnect(s, "localhost"_s, hub.port, 1000));
    const int there = hub.take();
    DynArr<uchar> data, got;
    ArrayResize(data, 1000);
    bool cut = false, read_short = false;
    for (int i = 0; i < 50; ++i) {
        const int n = SocketSend(s, data, 1000);
        CHECK(n > 0 && send(there, data.data(), 100, 0) == 100);
        cut = cut || n < 1000;
        int left = 100;
        while (left > 0) {
            const int m = SocketRead(s, got, static_cast<uint>(left), 1000);
            CHECK(m > 0);
            read_short = read_short || m < left;
            left -= m;
        }
    }
    CHECK(cut && read_short);
    cut_sockets();
    CHECK(SocketSend(s, data, 10) == -1 && GetLastError() == 5273 && !SocketIsConnected(s));
    close(there);
    SocketClose(s);
}

void connecting_fails_with_the_documented_numbers() {
    int closed;
    {
        const Listener gone;
        closed = gone.port;
    }
    const int s = SocketCreate();
    CHECK(!SocketConnect(s, "127.0.0.1"_s, static_cast<uint>(closed), 1000) && GetLastError() == 5272);
    set_quirk("connect_blackhole", true);
    const ulong before = GetMicrosecondCount();
    CHECK(!SocketConnect(s, "127.0.0.1"_s, 1, 50) && GetLastError() == 5272 && GetMicrosecondCount() - before >= 50'000);
    set_quirk("connect_blackhole", false);
    mutable_options().allowed = {"hub.example"};
    CHECK(!SocketConnect(s, "127.0.0.1"_s, 1, 50) && GetLastError() == 4014);
    mutable_options().allowed = {};
    CHECK(!SocketTlsHandshake(s, "x"_s) && SocketClose(s));
    int handles[129];
    for (int &h : handles) h = SocketCreate();
    CHECK(handles[127] != INVALID_HANDLE && handles[128] == INVALID_HANDLE && GetLastError() == 5271);
    for (const int h : handles) SocketClose(h);
}

void a_certificate_that_nobody_trusts_is_refused() {
    if (!tls::available()) return;
    const Listener hub;
    const int s = SocketCreate();
    CHECK(SocketConnect(s, "127.0.0.1"_s, hub.port, 1000));
    const int there = hub.take();
    CHECK(send(there, "HTTP/1.1 400 Bad\r\n\r\n", 20, 0) == 20); // no TLS there at all
    CHECK(!SocketTlsHandshake(s, "127.0.0.1"_s) && GetLastError() == 5274);
    close(there);
    SocketClose(s);
}

// ---- events ----

int ticks_of_timer = 0, inits = 0;
string given = "default"_s;
const bool registered = register_input("Given", &given);

void everything() {
    mutable_options().files += "/" + std::to_string(getpid()); // what an earlier run left is in nobody's way
    a_string_can_be_null_which_is_not_empty();
    conversions_count_the_terminating_zero_and_know_their_code_page();
    formats_without_i64_lose_the_upper_half();
    arrays_check_their_bounds_and_poison_what_is_new();
    pointers_know_the_dead();
    forgotten_objects_are_told_at_the_end();
    hashes_and_base64_are_right();
    tick_count_wraps_soon_after_the_start();
    global_variables_hold_doubles_under_short_names();
    objects_are_found_by_name_and_prefix();
    a_file_without_a_share_flag_is_a_lock();
    what_was_not_flushed_dies_with_the_process();
    reading_after_writing_needs_a_flush_between();
    a_full_disk_takes_a_part_and_says_so();
    texts_are_wide_unless_ansi_is_asked_for();
    an_empty_socket_claims_one_readable_byte();
    writes_and_reads_come_in_pieces();
    connecting_fails_with_the_documented_numbers();
    a_certificate_that_nobody_trusts_is_refused();
}

/// The second life is after a change of the chart: globals are kept.
int OnInit() {
    if (++inits == 1) everything();
    CHECK(inits == 1 || (ticks_of_timer == 3 && UninitializeReason() == REASON_CHARTCHANGE && _Symbol == "GBPUSD"_s));
    return EventSetMillisecondTimer(1) ? INIT_SUCCEEDED : INIT_FAILED;
}
void OnTimer() {
    static ulong last = 0;
    const ulong now = GetMicrosecondCount();
    CHECK(last == 0 || now - last >= 10'000); // never faster, whatever was asked for
    last = now;
    if (++ticks_of_timer == 3) {
        set_chart("GBPUSD", 240);
        request_deinit(REASON_CHARTCHANGE);
    }
    if (ticks_of_timer == 6) kill(getpid(), SIGTERM);
    CHECK((ticks_of_timer < 3 || IsStopped()) || inits == 2);
}
void OnDeinit(const int reason) {
    CHECK(IsStopped() && reason == (inits == 1 ? REASON_CHARTCHANGE : REASON_REMOVE));
    if (inits == 2) std::printf("all is so\t%s\n", given.to_utf8().c_str());
}
} // namespace mql_program

const mql::Program mql_program_table = {.dialect = 5,
                                        .name = "SelfTest",
                                        .OnInit = mql::on_init<&mql_program::OnInit>,
                                        .OnDeinit = mql_program::OnDeinit,
                                        .OnTick = nullptr,
                                        .OnTimer = mql_program::OnTimer,
                                        .OnTrade = nullptr,
                                        .OnTradeTransaction = nullptr,
                                        .OnChartEvent = nullptr,
                                        .OnBookEvent = nullptr};
