// Types, errors, object handles.
#pragma once
#pragma GCC system_header

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace mql {

using uchar = std::uint8_t;
using ushort = std::uint16_t;
using uint = std::uint32_t;
using ulong = std::uint64_t;
using datetime = std::int64_t;
using color = std::uint32_t;
static_assert(sizeof(long) == 8, "MQL's long has 64 bits: build for a 64-bit Unix");

/// The byte that fresh memory is filled with: MQL leaves it undefined, and 0xCD makes whoever reads it fail loudly.
inline constexpr int POISON = 0xCD;

/// What MetaTrader calls a critical error: prints the words, tells the host and ends the process with 70. No OnDeinit runs.
[[noreturn]] void critical(const char *what);
[[noreturn]] void critical_index(long index, long size);

extern int _LastError;
void set_last_error(int code);
inline void ResetLastError() { _LastError = 0; }
void SetUserError(ushort code);

/// MQL's NULL: no object, no text, or zero.
struct Null {
    template <class T>
        requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
    constexpr operator T() const { return static_cast<T>(0); }
};
inline constexpr Null null_value{};

/// Put into the body of every aggregate, so that the translator may write `->` for every `.` without knowing types.
#define MQL_AGGREGATE(Name)                            \
public:                                                \
    Name *operator->() { return this; }                \
    const Name *operator->() const { return this; }

// ---- object handles ----

enum ENUM_POINTER_TYPE : int { POINTER_INVALID = 0, POINTER_DYNAMIC = 1, POINTER_AUTOMATIC = 2 };

namespace objects {
/// Memory for an object of `new`: poisoned, and known by an id that is never used again.
void *birth(std::size_t bytes, const std::type_info &type);
/// The id of a living object of `new` at this address, 0 for any other.
ulong id_of(const void *address);
bool alive(ulong id);
/// Forgets the object and gives its memory back, after its destructor.
void bury(ulong id);
} // namespace objects

/// `C *p`: an address and the id of the object that lived there. Using one whose object is gone is a critical error.
template <class T> class Ptr {
    template <class U> friend class Ptr;

public:
    T *address;
    ulong id; // 0: none or an automatic object

    Ptr() : address(nullptr), id(0) {}
    Ptr(Null) : address(nullptr), id(0) {}
    Ptr(T *raw) : address(raw), id(objects::id_of(raw)) {}
    Ptr(T *raw, ulong known) : address(raw), id(known) {}
    template <class U>
        requires std::is_convertible_v<U *, T *>
    Ptr(const Ptr<U> &other) : address(other.address), id(other.id) {}

    bool valid() const { return address != nullptr && (id == 0 || objects::alive(id)); }
    T &target() const {
        if (address == nullptr) critical("null pointer access");
        if (!valid()) critical("invalid pointer access");
        return *address;
    }
    T *operator->() const { return &target(); }
    T &operator*() const { return target(); }
    operator T &() const { return target(); }
    explicit operator bool() const { return address != nullptr; }
    bool operator!() const { return address == nullptr; }
};
template <class A, class B> bool operator==(const Ptr<A> &a, const Ptr<B> &b) { return a.address == b.address && a.id == b.id; }
template <class A> bool operator==(const Ptr<A> &a, Null) { return a.address == nullptr; }
template <class A> bool operator==(const Ptr<A> &a, const A *b) { return a.address == b; }

template <class T, class... A> Ptr<T> mql_new(A &&...arguments) {
    void *memory = objects::birth(sizeof(T), typeid(T));
    T *made;
    if constexpr (sizeof...(A) == 0)
        made = new (memory) T;
    else
        made = new (memory) T(std::forward<A>(arguments)...);
    return Ptr<T>(made, objects::id_of(memory));
}
template <class T> void mql_delete(const Ptr<T> &p) {
    if (p.address == nullptr) return; // MQL allows it
    if (p.id == 0) critical("delete of an automatic object");
    if (!p.valid()) critical("delete of an invalid pointer");
    p.address->~T();
    objects::bury(p.id);
}
template <class T> ENUM_POINTER_TYPE CheckPointer(const Ptr<T> &p) {
    if (!p.valid()) return POINTER_INVALID;
    return p.id == 0 ? POINTER_AUTOMATIC : POINTER_DYNAMIC;
}
template <class T> ENUM_POINTER_TYPE CheckPointer(T *p) { return CheckPointer(Ptr<T>(p)); }
inline ENUM_POINTER_TYPE CheckPointer(Null) { return POINTER_INVALID; }
template <class T> Ptr<T> GetPointer(T &object) { return Ptr<T>(&object); }
template <class T> Ptr<T> GetPointer(T *object) { return Ptr<T>(object); }
template <class T> Ptr<T> GetPointer(const Ptr<T> &p) { return p; }
template <class T> Ptr<T> GetPointer(Ptr<T> &p) { return p; }
/// `dynamic_cast<T *>(p)`
template <class T, class U> Ptr<T> mql_cast(const Ptr<U> &p) {
    return p.valid() ? Ptr<T>(dynamic_cast<T *>(p.address)) : Ptr<T>();
}
template <class T, class U> Ptr<T> mql_cast(U *p) { return Ptr<T>(dynamic_cast<T *>(p)); }

/// Simple structures only, as in MQL; texts and dynamic arrays become empty by their constructors.
template <class T> void ZeroMemory(T &object) {
    if constexpr (std::is_trivially_copyable_v<T>)
        std::memset(static_cast<void *>(&object), 0, sizeof(T));
    else {
        object.~T();
        std::memset(static_cast<void *>(&object), 0, sizeof(T));
        new (&object) T();
    }
}

} // namespace mql
