// Files of the sandbox folder.
#pragma once
#pragma GCC system_header

#include "mql_array.hpp"
#include "mql_string.hpp"

namespace mql {

inline constexpr int INVALID_HANDLE = -1;
inline constexpr int FILE_READ = 1, FILE_WRITE = 2, FILE_BIN = 4, FILE_CSV = 8, FILE_TXT = 16, FILE_ANSI = 32, FILE_UNICODE = 64,
                     FILE_SHARE_READ = 128, FILE_SHARE_WRITE = 256, FILE_REWRITE = 512, FILE_COMMON = 4096;

namespace files {
/// Both give how many bytes went through, and set _LastError if it is fewer.
long write(int handle, const void *bytes, long count);
long read(int handle, void *bytes, long count);
} // namespace files

int FileOpen(const string &name, int flags, short delimiter = '\t', uint codepage = 0);
void FileClose(int handle);
void FileFlush(int handle);
bool FileSeek(int handle, long offset, int origin);
ulong FileTell(int handle);
ulong FileSize(int handle);
bool FileIsEnding(int handle);
bool FileIsLineEnding(int handle);
bool FileIsExist(const string &name, int common = 0);
bool FileDelete(const string &name, int common = 0);
bool FileMove(const string &from, int common, const string &to, int mode);
bool FileCopy(const string &from, int common, const string &to, int mode);
bool FolderCreate(const string &name, int common = 0);
bool FolderDelete(const string &name, int common = 0);
long FileFindFirst(const string &filter, string &found, int common = 0);
bool FileFindNext(long search, string &found);
void FileFindClose(long search);

/// For texts: the units of the string; in a FILE_TXT file without an end of line. In a FILE_BIN file `length` units at most.
uint FileWriteString(int handle, const string &text, int length = -1);
string FileReadString(int handle, int length = -1);
uint FileWriteInteger(int handle, int value, int size = 4);
uint FileWriteLong(int handle, long value);
uint FileWriteDouble(int handle, double value);
uint FileWriteFloat(int handle, float value);
int FileReadInteger(int handle, int size = 4);
long FileReadLong(int handle);
double FileReadDouble(int handle);
float FileReadFloat(int handle);
namespace files {
uint write_line(int handle, const std::u16string &line);
short delimiter(int handle);
} // namespace files
namespace text {
template <class T> string shown(const T &value);
}

/// The number of elements written or read.
template <AnyArray A> uint FileWriteArray(int handle, const A &array, int start = 0, int count = WHOLE_ARRAY) {
    const long there = array.count() - start;
    const long n = count < 0 ? there : std::min<long>(there, count);
    if (start < 0 || n <= 0) return 0;
    constexpr long each = static_cast<long>(sizeof(typename A::value_type));
    return static_cast<uint>(files::write(handle, array.data() + start, n * each) / each);
}
template <class A> uint FileReadArray(int handle, A &&array, int start = 0, int count = WHOLE_ARRAY) {
    using T = typename std::remove_cvref_t<A>::value_type;
    static_assert(std::is_trivially_copyable_v<T>, "simple types only");
    constexpr long each = static_cast<long>(sizeof(T));
    const long left = static_cast<long>(FileSize(handle) - FileTell(handle)) / each;
    long n = count < 0 ? left : std::min<long>(left, count);
    if (start < 0 || n <= 0) return 0;
    if (start + n > array.count() && array.resize(static_cast<int>(start + n), 0) < 0) n = array.count() - start;
    return n <= 0 ? 0 : static_cast<uint>(files::read(handle, array.data() + start, n * each) / each);
}
template <class T> uint FileWriteStruct(int handle, const T &value, int size = -1) {
    static_assert(std::is_trivially_copyable_v<T>, "simple structures only");
    return static_cast<uint>(files::write(handle, &value, size < 0 ? static_cast<long>(sizeof(T)) : std::min<long>(size, sizeof(T))));
}
template <class T> uint FileReadStruct(int handle, T &value, int size = -1) {
    static_assert(std::is_trivially_copyable_v<T>, "simple structures only");
    return static_cast<uint>(files::read(handle, &value, size < 0 ? static_cast<long>(sizeof(T)) : std::min<long>(size, sizeof(T))));
}
template <class... A> uint FileWrite(int handle, const A &...values) {
    std::u16string line;
    bool first = true;
    auto add = [&](const string &cell) {
        if (!first && files::delimiter(handle) != 0) line += static_cast<char16_t>(files::delimiter(handle));
        first = false;
        line += cell.text();
    };
    (add(text::shown(values)), ...);
    return files::write_line(handle, line);
}

} // namespace mql

// SEEK_SET, SEEK_CUR and SEEK_END are macros of C with MQL's values.
#include <cstdio>
