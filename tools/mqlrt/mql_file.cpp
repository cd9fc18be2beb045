// Files in the sandbox, with what hurts on Windows: share modes between programs, names without case, data that is only in the
// buffer until FileFlush, and a disk that fills up.
#include "runtime.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

namespace mql {

namespace fs = std::filesystem;

namespace {
enum {
    TOO_MANY_FILES = 5001, WRONG_FILENAME = 5002, CANNOT_OPEN_FILE = 5004, CANNOT_DELETE_FILE = 5006, INVALID_FILEHANDLE = 5007, FILE_NOTTOWRITE = 5009,
    FILE_NOTTOREAD = 5010, FILE_NOTBIN = 5011, FILE_READERROR = 5015, FILE_IS_DIRECTORY = 5018, FILE_NOT_EXIST = 5019, FILE_CANNOT_REWRITE = 5020,
    CANNOT_DELETE_DIRECTORY = 5024, FILE_WRITEERROR = 5026
};
constexpr std::size_t MOST_FILES = 64;

struct File {
    int descriptor;
    int flags;
    uint codepage;
    short delimiter;
    long position = 0;
    std::string buffer; // what FileFlush has not written yet; it belongs before `position`
    enum { NEITHER, READ, WROTE } last = NEITHER;

    long start() const { return position - static_cast<long>(buffer.size()); }
    ~File() { close(descriptor); }
};
// Never destroyed: destructors of the program's global objects may still close their files.
auto &open_files = *new std::vector<std::unique_ptr<File>>;
long disk_room = -1;

File *file(int handle) {
    if (handle < 1 || static_cast<std::size_t>(handle) > open_files.size() || !open_files[static_cast<std::size_t>(handle) - 1])
        return failed<File *>(INVALID_FILEHANDLE, nullptr);
    return open_files[static_cast<std::size_t>(handle) - 1].get();
}

long size_on_disk(const File &f) {
    struct stat facts;
    return fstat(f.descriptor, &facts) == 0 ? facts.st_size : 0;
}

bool put_down(File &f) {
    if (f.buffer.empty()) return true;
    const long at = f.start();
    const ssize_t n = pwrite(f.descriptor, f.buffer.data(), f.buffer.size(), at);
    const bool whole = n == static_cast<ssize_t>(f.buffer.size());
    f.buffer.clear();
    return whole || failed(FILE_WRITEERROR, false);
}

// ---- names ----

/// The path in the sandbox; "" if the name leads out of it. An existing entry is found whatever its case.
fs::path located(const string &name, bool common) {
    std::string words = name.to_utf8();
    std::replace(words.begin(), words.end(), '\\', '/');
    if (words.empty() || words.front() == '/' || words.find_first_of(":*?\"<>|") != std::string::npos) return {};
    const Options &o = options();
    fs::path path = common ? (o.common.empty() ? o.files + ".common" : o.common) : o.files;
    std::error_code ignored;
    fs::create_directories(path, ignored);
    for (const fs::path &part : fs::path(words)) {
        if (part == "..") return {};
        if (part.empty() || part == ".") continue;
        fs::path next = path / part;
        if (!fs::exists(next, ignored) && fs::is_directory(path, ignored))
            for (const auto &entry : fs::directory_iterator(path, ignored))
                if (StringCompare(string::utf8(entry.path().filename().string()), string::utf8(part.string()), false) == 0) next = entry.path();
        path = next;
    }
    return path;
}

// ---- share modes, by locks that the kernel frees with the process ----

enum { READS, WRITES, DENIES_READ, DENIES_WRITE };
constexpr long LOCKS_AT = 1L << 60; // beyond any data

bool locked_by_another(int descriptor, int what) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = LOCKS_AT + what;
    lock.l_len = 1;
    return fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
void hold(int descriptor, int what) {
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = LOCKS_AT + what;
    lock.l_len = 1;
    fcntl(descriptor, F_OFD_SETLK, &lock);
}
/// Windows' rule: my access must be shared by everyone who has it open, and I must share theirs.
bool shared(int descriptor, int flags) {
    const bool reads = flags & FILE_READ, writes = flags & FILE_WRITE, allows_read = flags & FILE_SHARE_READ, allows_write = flags & FILE_SHARE_WRITE;
    if (reads) hold(descriptor, READS);
    if (writes) hold(descriptor, WRITES);
    if (!allows_read) hold(descriptor, DENIES_READ);
    if (!allows_write) hold(descriptor, DENIES_WRITE);
    return !(reads && locked_by_another(descriptor, DENIES_READ)) && !(writes && locked_by_another(descriptor, DENIES_WRITE)) &&
           !(!allows_read && locked_by_another(descriptor, READS)) && !(!allows_write && locked_by_another(descriptor, WRITES));
}
bool in_use(const fs::path &path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    const bool used = locked_by_another(descriptor, READS) || locked_by_another(descriptor, WRITES);
    close(descriptor);
    return used;
}
} // namespace

void set_disk_room(long bytes) { disk_room = bytes; }
void files::flush_all() {
    for (const auto &f : open_files)
        if (f) put_down(*f);
}

int FileOpen(const string &name, int flags, short delimiter, uint codepage) {
    const fs::path path = located(name, flags & FILE_COMMON);
    if (path.empty()) return failed(WRONG_FILENAME, INVALID_HANDLE);
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) return failed(FILE_IS_DIRECTORY, INVALID_HANDLE);
    if (!(flags & (FILE_READ | FILE_WRITE))) flags |= FILE_READ;
    const bool writes = flags & FILE_WRITE;
    if (writes) fs::create_directories(path.parent_path(), ignored);
    host::point("FileOpen");
    const int descriptor = open(path.c_str(), O_CLOEXEC | (writes ? O_RDWR | O_CREAT : O_RDONLY), 0644);
    if (descriptor < 0) return failed(CANNOT_OPEN_FILE, INVALID_HANDLE);
    if (!shared(descriptor, flags)) {
        close(descriptor);
        return failed(CANNOT_OPEN_FILE, INVALID_HANDLE);
    }
    if (writes && !(flags & FILE_READ) && ftruncate(descriptor, 0) != 0) { // FILE_WRITE alone empties it
        close(descriptor);
        return failed(CANNOT_OPEN_FILE, INVALID_HANDLE);
    }
    std::size_t slot = 0;
    while (slot < open_files.size() && open_files[slot]) ++slot;
    if (slot >= MOST_FILES) {
        close(descriptor);
        return failed(TOO_MANY_FILES, INVALID_HANDLE);
    }
    if (slot == open_files.size()) open_files.emplace_back();
    open_files[slot].reset(new File{.descriptor = descriptor, .flags = flags, .codepage = codepage, .delimiter = delimiter, .buffer = {}});
    return static_cast<int>(slot) + 1;
}

void FileClose(int handle) {
    if (File *f = file(handle)) {
        put_down(*f);
        open_files[static_cast<std::size_t>(handle) - 1].reset();
    }
}
void FileFlush(int handle) {
    File *f = file(handle);
    if (f == nullptr) return;
    host::point("FileFlush");
    put_down(*f);
    f->last = File::NEITHER;
    host::point("FileFlushed");
}

bool FileSeek(int handle, long offset, int origin) {
    File *f = file(handle);
    if (f == nullptr) return false;
    put_down(*f);
    const long base = origin == SEEK_SET ? 0 : origin == SEEK_CUR ? f->position : size_on_disk(*f);
    if (base + offset < 0) return false;
    f->position = base + offset;
    return true;
}
ulong FileTell(int handle) {
    const File *f = file(handle);
    return f == nullptr ? 0 : static_cast<ulong>(f->position);
}
ulong FileSize(int handle) {
    const File *f = file(handle);
    return f == nullptr ? 0 : static_cast<ulong>(std::max(size_on_disk(*f), f->buffer.empty() ? 0 : f->position));
}
bool FileIsEnding(int handle) {
    const File *f = file(handle);
    return f == nullptr || f->position >= static_cast<long>(FileSize(handle));
}

// ---- bytes ----

long files::write(int handle, const void *bytes, long count) {
    File *f = file(handle);
    if (f == nullptr) return 0;
    if (!(f->flags & FILE_WRITE)) return failed(FILE_NOTTOWRITE, 0L);
    if (f->last == File::READ && quirk("flush_rule")) critical("a write after a read of the same file without FileFlush between");
    f->last = File::WROTE;
    host::point("FileWrite");
    const long room = disk_room < 0 ? count : std::min(count, disk_room);
    if (disk_room >= 0) disk_room -= room;
    f->buffer.append(static_cast<const char *>(bytes), static_cast<std::size_t>(room));
    f->position += room;
    if ((!quirk("write_buffer") || f->buffer.size() > 65536) && !put_down(*f)) return 0;
    return room < count ? failed(FILE_WRITEERROR, room) : room;
}
long files::read(int handle, void *bytes, long count) {
    File *f = file(handle);
    if (f == nullptr) return 0;
    if (!(f->flags & FILE_READ)) return failed(FILE_NOTTOREAD, 0L);
    if (f->last == File::WROTE && quirk("flush_rule")) critical("a read after a write of the same file without FileFlush between");
    f->last = File::READ;
    put_down(*f);
    const ssize_t n = pread(f->descriptor, bytes, static_cast<std::size_t>(count), f->position);
    if (n < 0) return failed(FILE_READERROR, 0L);
    f->position += n;
    return n < count ? failed(FILE_READERROR, static_cast<long>(n)) : n;
}

namespace {
template <class T> uint put_number(int handle, T value, int size) {
    const File *f = file(handle);
    if (f == nullptr) return 0;
    if (!(f->flags & FILE_BIN)) return failed<uint>(FILE_NOTBIN, 0);
    return static_cast<uint>(files::write(handle, &value, size));
}
template <class T> T get_number(int handle, int size) {
    T value{};
    const File *f = file(handle);
    if (f == nullptr) return value;
    if (!(f->flags & FILE_BIN)) return failed(FILE_NOTBIN, value);
    files::read(handle, &value, size);
    return value;
}
bool wide(const File &f) { return !(f.flags & FILE_ANSI); }

std::string in_bytes(const File &f, const std::u16string &units) {
    if (wide(f)) return std::string(reinterpret_cast<const char *>(units.data()), units.size() * 2);
    const std::vector<uchar> bytes = text::encode(string(units), f.codepage);
    return std::string(bytes.begin(), bytes.end() - 1);
}
} // namespace

uint FileWriteInteger(int handle, int value, int size) { return put_number(handle, value, std::clamp(size, 1, 4)); }
uint FileWriteLong(int handle, long value) { return put_number(handle, value, 8); }
uint FileWriteDouble(int handle, double value) { return put_number(handle, value, 8); }
uint FileWriteFloat(int handle, float value) { return put_number(handle, value, 4); }
int FileReadInteger(int handle, int size) { return get_number<int>(handle, std::clamp(size, 1, 4)); }
long FileReadLong(int handle) { return get_number<long>(handle, 8); }
double FileReadDouble(int handle) { return get_number<double>(handle, 8); }
float FileReadFloat(int handle) { return get_number<float>(handle, 4); }

// ---- texts ----

uint FileWriteString(int handle, const string &text, int length) {
    const File *f = file(handle);
    if (f == nullptr) return 0;
    std::u16string units = text.text();
    if ((f->flags & FILE_BIN) && length >= 0) units.resize(static_cast<std::size_t>(length)); // padded with zeros
    const std::string bytes = in_bytes(*f, units);
    return static_cast<uint>(files::write(handle, bytes.data(), static_cast<long>(bytes.size())));
}
uint files::write_line(int handle, const std::u16string &line) {
    const File *f = file(handle);
    if (f == nullptr) return 0;
    const std::string bytes = in_bytes(*f, line + u"\r\n");
    return static_cast<uint>(files::write(handle, bytes.data(), static_cast<long>(bytes.size())));
}
short files::delimiter(int handle) {
    const File *f = file(handle);
    return f == nullptr || !(f->flags & FILE_CSV) ? short{0} : f->delimiter;
}

string FileReadString(int handle, int length) {
    File *f = file(handle);
    if (f == nullptr) return string(u"");
    const long each = wide(*f) ? 2 : 1;
    std::string bytes;
    const bool binary = f->flags & FILE_BIN;
    while (!FileIsEnding(handle) && (!binary || length < 0 || static_cast<long>(bytes.size()) < length * each)) {
        char16_t unit = 0;
        if (files::read(handle, &unit, each) < each) break;
        if (!binary && unit == '\r') continue;
        if (!binary && (unit == '\n' || ((f->flags & FILE_CSV) && unit == static_cast<char16_t>(f->delimiter)))) break;
        bytes.append(reinterpret_cast<const char *>(&unit), static_cast<std::size_t>(each));
    }
    if (!wide(*f)) return text::decode(reinterpret_cast<const uchar *>(bytes.data()), static_cast<long>(bytes.size()), f->codepage);
    std::u16string units(bytes.size() / 2, u'\0');
    std::memcpy(units.data(), bytes.data(), units.size() * 2);
    units.resize(std::min(units.find(u'\0'), units.size()));
    return string(units);
}
bool FileIsLineEnding(int handle) {
    File *f = file(handle);
    if (f == nullptr || f->position == 0) return f != nullptr;
    char last = 0;
    const long back = wide(*f) ? 2 : 1;
    return pread(f->descriptor, &last, 1, f->position - back) == 1 && last == '\n';
}

// ---- whole files and folders ----

bool FileIsExist(const string &name, int common) {
    const fs::path path = located(name, common & FILE_COMMON);
    std::error_code ignored;
    if (path.empty() || !fs::exists(path, ignored)) return failed(FILE_NOT_EXIST, false);
    return !fs::is_directory(path, ignored) || failed(FILE_IS_DIRECTORY, false);
}
bool FileDelete(const string &name, int common) {
    const fs::path path = located(name, common & FILE_COMMON);
    std::error_code trouble;
    if (path.empty() || !fs::exists(path, trouble)) return failed(FILE_NOT_EXIST, false);
    if (in_use(path) || !fs::is_regular_file(path, trouble) || !fs::remove(path, trouble)) return failed(CANNOT_DELETE_FILE, false);
    return true;
}
namespace {
bool transfer(const string &from, int common, const string &to, int mode, bool keep) {
    const fs::path source = located(from, common & FILE_COMMON), target = located(to, mode & FILE_COMMON);
    std::error_code trouble;
    if (source.empty() || target.empty()) return failed(WRONG_FILENAME, false);
    if (!fs::is_regular_file(source, trouble)) return failed(FILE_NOT_EXIST, false);
    if (fs::exists(target, trouble) && (!(mode & FILE_REWRITE) || in_use(target))) return failed(FILE_CANNOT_REWRITE, false);
    if (!keep && in_use(source)) return failed(CANNOT_DELETE_FILE, false);
    host::point("FileMove");
    fs::create_directories(target.parent_path(), trouble);
    if (keep)
        fs::copy_file(source, target, fs::copy_options::overwrite_existing, trouble);
    else
        fs::rename(source, target, trouble);
    return !trouble || failed(FILE_CANNOT_REWRITE, false);
}
} // namespace
bool FileMove(const string &from, int common, const string &to, int mode) { return transfer(from, common, to, mode, false); }
bool FileCopy(const string &from, int common, const string &to, int mode) { return transfer(from, common, to, mode, true); }
bool FolderCreate(const string &name, int common) {
    const fs::path path = located(name, common & FILE_COMMON);
    std::error_code trouble;
    if (path.empty()) return failed(WRONG_FILENAME, false);
    fs::create_directories(path, trouble);
    return !trouble;
}
bool FolderDelete(const string &name, int common) {
    const fs::path path = located(name, common & FILE_COMMON);
    std::error_code trouble;
    return (!path.empty() && fs::is_directory(path, trouble) && fs::remove(path, trouble)) || failed(CANNOT_DELETE_DIRECTORY, false);
}

namespace {
auto &searches = *new std::map<long, std::vector<std::string>>;
long last_search = 0;
} // namespace
long FileFindFirst(const string &filter, string &found, int common) {
    std::string words = filter.to_utf8();
    std::replace(words.begin(), words.end(), '\\', '/');
    const std::size_t slash = words.rfind('/');
    const std::string pattern = slash == std::string::npos ? words : words.substr(slash + 1);
    const fs::path folder = located(slash == std::string::npos ? string(u".") : string::utf8(words.substr(0, slash)), common & FILE_COMMON);
    std::vector<std::string> names;
    std::error_code ignored;
    if (!folder.empty() && fs::is_directory(folder, ignored))
        for (const auto &entry : fs::directory_iterator(folder, ignored)) {
            const std::string name = entry.path().filename().string();
            if (fnmatch(pattern.c_str(), name.c_str(), FNM_CASEFOLD) == 0) names.push_back(name + (entry.is_directory(ignored) ? "\\" : ""));
        }
    if (names.empty()) return failed(FILE_NOT_EXIST, static_cast<long>(INVALID_HANDLE));
    std::sort(names.rbegin(), names.rend());
    found = string::utf8(names.back());
    names.pop_back();
    searches[++last_search] = names;
    return last_search;
}
bool FileFindNext(long search, string &found) {
    const auto at = searches.find(search);
    if (at == searches.end() || at->second.empty()) return false;
    found = string::utf8(at->second.back());
    at->second.pop_back();
    return true;
}
void FileFindClose(long search) { searches.erase(search); }

} // namespace mql
