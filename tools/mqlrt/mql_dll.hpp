// Calls of imported DLLs, answered by a table of native functions in the layouts that a 32-bit MetaTrader 4 sees.
#pragma once
#pragma GCC system_header

#include "mql_array.hpp"
#include "mql_string.hpp"
#include <string>

namespace mql {

struct DllArgument {
    enum Kind { NUMBER, REAL, TEXT, MEMORY } kind;
    long number = 0;
    double real = 0;
    char16_t *text = nullptr; // a copy, as for a string that is not passed by `&`
    void *memory = nullptr;
    long bytes = 0; // what is there: whoever claims more is caught
};
/// A function that is not in the table is a critical error ("cannot call …"), as in MetaTrader.
long dll_dispatch(const char *dll, const char *function, DllArgument *arguments, int count);

namespace dll_detail {
template <class T> DllArgument pack(T &value, std::u16string &copy) {
    using V = std::remove_cvref_t<T>;
    if constexpr (std::is_same_v<V, string>) {
        copy = value.text();
        return {.kind = DllArgument::TEXT, .text = copy.data(), .bytes = static_cast<long>((copy.size() + 1) * 2)};
    } else if constexpr (AnyArray<V>)
        return {.kind = DllArgument::MEMORY,
                .memory = const_cast<void *>(static_cast<const void *>(value.data())),
                .bytes = value.count() * static_cast<long>(sizeof(typename V::value_type))};
    else if constexpr (std::is_floating_point_v<V>)
        return {.kind = DllArgument::REAL, .real = value};
    else if constexpr (std::is_same_v<V, Null>)
        return {.kind = DllArgument::NUMBER};
    else if constexpr (std::is_integral_v<V> || std::is_enum_v<V>)
        return {.kind = DllArgument::NUMBER, .number = static_cast<long>(value)};
    else
        return {.kind = DllArgument::MEMORY, .memory = const_cast<void *>(static_cast<const void *>(&value)), .bytes = static_cast<long>(sizeof(V))};
}
} // namespace dll_detail

/// A parameter `T &x` of an import where T is a number.
template <class T> struct DllOut {
    T *target;
    T *data() const { return target; }
    long count() const { return 1; }
    bool series() const { return false; }
    using value_type = T;
};
template <class T> DllOut<T> dll_out(T &value) { return {&value}; }

template <class R, class... A> R dll_call(const char *dll, const char *function, A &&...values) {
    std::u16string copies[sizeof...(A) + 1];
    std::size_t n = 0;
    DllArgument packed[sizeof...(A) + 1] = {dll_detail::pack(values, copies[n++])...};
    const long result = dll_dispatch(dll, function, packed, static_cast<int>(sizeof...(A)));
    if constexpr (!std::is_void_v<R>) return static_cast<R>(result);
}

} // namespace mql
