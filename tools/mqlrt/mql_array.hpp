// Arrays. All of them check their bounds; those that grow are poisoned where they are new.
//   DynArr<T>   T a[]            own memory, series flag
//   Fix<T,N…>   T a[N][M]        the memory of a C array, so that unions, structures and buffers of DLLs stay as they are
//   ArrRef<T>   T &a[]           a view that a parameter is
//   CArr<T>     const T &a[]     the same, read only
#pragma once
#pragma GCC system_header

#include "mql_core.hpp"
#include "mql_string.hpp"
#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <initializer_list>
#include <limits>

namespace mql {

inline constexpr int WHOLE_ARRAY = -1;

template <class I>
concept Index = std::is_integral_v<I> || std::is_enum_v<I>;

template <class I> long checked(I index, long size) {
    const long i = static_cast<long>(index);
    if (i < 0 || i >= size) critical_index(i, size);
    return i;
}

template <class T, std::size_t N, std::size_t... M> struct Fix;

/// The number of plain elements inside one element: more than one if it is itself a Fix.
template <class T> struct Plain {
    using type = T;
    static constexpr long count = 1;
    static constexpr long range(int) { return 0; }
};
template <class T, std::size_t N> struct Plain<Fix<T, N>> {
    using type = T;
    static constexpr long count = static_cast<long>(N);
    static constexpr long range(int rank) { return rank == 0 ? static_cast<long>(N) : 0; }
};
template <class T, std::size_t N, std::size_t M, std::size_t... R> struct Plain<Fix<T, N, M, R...>> {
    using inner = Plain<Fix<T, M, R...>>;
    using type = T;
    static constexpr long count = static_cast<long>(N) * inner::count;
    static constexpr long range(int rank) { return rank == 0 ? static_cast<long>(N) : inner::range(rank - 1); }
};

template <class T> class DynArr {
    T *cells = nullptr;
    long used = 0, room = 0;
    bool reversed = false;

    void destroy(long from, long to) {
        if constexpr (!std::is_trivially_destructible_v<T>)
            for (long i = from; i < to; ++i) cells[i].~T();
    }
    void make(long from, long to) {
        std::memset(static_cast<void *>(cells + from), POISON, static_cast<std::size_t>(to - from) * sizeof(T));
        if constexpr (!std::is_trivially_default_constructible_v<T>)
            for (long i = from; i < to; ++i) new (static_cast<void *>(cells + i)) T;
    }
    void move_to(long wanted_room) {
        T *fresh = static_cast<T *>(std::malloc(static_cast<std::size_t>(wanted_room ? wanted_room : 1) * sizeof(T)));
        if (fresh == nullptr) critical("out of memory");
        if constexpr (std::is_trivially_copyable_v<T>) {
            if (used > 0) std::memcpy(static_cast<void *>(fresh), cells, static_cast<std::size_t>(used) * sizeof(T));
        } else
            for (long i = 0; i < used; ++i) {
                new (static_cast<void *>(fresh + i)) T(std::move(cells[i]));
                cells[i].~T();
            }
        std::free(cells);
        cells = fresh;
        room = wanted_room;
    }

public:
    using value_type = T;
    static constexpr bool dynamic = true;

    DynArr() = default;
    DynArr(const DynArr &other) { *this = other; }
    DynArr &operator=(const DynArr &other) {
        if (this == &other) return *this;
        resize(static_cast<int>(other.used), 0);
        for (long i = 0; i < used; ++i) cells[i] = other.cells[i];
        reversed = other.reversed;
        return *this;
    }
    ~DynArr() {
        destroy(0, used);
        std::free(cells);
    }

    T *data() const { return cells; }
    long count() const { return used; }
    uint Size() const { return static_cast<uint>(used * Plain<T>::count); }
    bool series() const { return reversed; }
    bool set_series(bool on) {
        reversed = on;
        return true;
    }
    int resize(int size, int reserve) {
        if (size < 0) return -1;
        if (size > room) move_to(std::max<long>(static_cast<long>(size) + std::max(reserve, 0), std::min<long>(room * 2, size + 65536L)));
        if (size > used) make(used, size);
        if (size < used) destroy(size, used);
        used = size;
        return size;
    }
    void free() {
        destroy(0, used);
        std::free(cells);
        cells = nullptr;
        used = room = 0;
    }
    template <Index I> T &operator[](I index) const {
        const long i = checked(index, used);
        return cells[reversed ? used - 1 - i : i];
    }
    DynArr *operator->() { return this; }
    const DynArr *operator->() const { return this; }
};

template <class T, std::size_t N, std::size_t... M> struct Fix {
    using value_type = Fix<T, M...>; // one dimension at least is left: see below
    static constexpr bool dynamic = false;
    value_type cells[N];

    value_type *data() const { return const_cast<value_type *>(cells); }
    long count() const { return static_cast<long>(N); }
    uint Size() const { return static_cast<uint>(static_cast<long>(N) * Plain<value_type>::count); }
    bool series() const { return false; }
    bool set_series(bool on) { return !on; }
    int resize(int, int) { return -1; }
    void free() {}
    template <Index I> value_type &operator[](I index) { return cells[checked(index, static_cast<long>(N))]; }
    template <Index I> const value_type &operator[](I index) const { return cells[checked(index, static_cast<long>(N))]; }
    Fix *operator->() { return this; }
    const Fix *operator->() const { return this; }
};
// One dimension.
template <class T, std::size_t N> struct Fix<T, N> {
    using value_type = T;
    static constexpr bool dynamic = false;
    T cells[N];

    T *data() const { return const_cast<T *>(cells); }
    long count() const { return static_cast<long>(N); }
    uint Size() const { return static_cast<uint>(static_cast<long>(N) * Plain<T>::count); }
    bool series() const { return false; }
    bool set_series(bool on) { return !on; }
    int resize(int, int) { return -1; }
    void free() {}
    template <Index I> T &operator[](I index) { return cells[checked(index, static_cast<long>(N))]; }
    template <Index I> const T &operator[](I index) const { return cells[checked(index, static_cast<long>(N))]; }
    Fix *operator->() { return this; }
    const Fix *operator->() const { return this; }
};

template <class T, std::size_t N> Fix<T, N> mkfix(const T (&values)[N]) {
    Fix<T, N> made;
    for (std::size_t i = 0; i < N; ++i) made.cells[i] = values[i];
    return made;
}

template <class T> class CArr;

template <class T> class ArrRef {
    friend class CArr<T>;
    DynArr<T> *whole;
    T *cells;
    long fixed;

public:
    using value_type = T;
    static constexpr bool dynamic = true; // it may be

    ArrRef(DynArr<T> &array) : whole(&array), cells(nullptr), fixed(0) {}
    template <std::size_t N> ArrRef(Fix<T, N> &array) : whole(nullptr), cells(array.cells), fixed(static_cast<long>(N)) {}
    template <class U, std::size_t N, std::size_t M, std::size_t... R>
        requires std::is_same_v<T, Fix<U, M, R...>>
    ArrRef(Fix<U, N, M, R...> &array) : whole(nullptr), cells(array.cells), fixed(static_cast<long>(N)) {}

    bool is_dynamic() const { return whole != nullptr; }
    T *data() const { return whole ? whole->data() : cells; }
    long count() const { return whole ? whole->count() : fixed; }
    uint Size() const { return static_cast<uint>(count() * Plain<T>::count); }
    bool series() const { return whole && whole->series(); }
    bool set_series(bool on) const { return whole ? whole->set_series(on) : !on; }
    int resize(int size, int reserve) const { return whole ? whole->resize(size, reserve) : -1; }
    void free() const {
        if (whole) whole->free();
    }
    template <Index I> T &operator[](I index) const {
        if (whole) return (*whole)[index];
        return cells[checked(index, fixed)];
    }
    ArrRef *operator->() { return this; }
    const ArrRef *operator->() const { return this; }
};

template <class T> class CArr {
    const DynArr<T> *whole;
    const T *cells;
    long fixed;

public:
    using value_type = T;
    static constexpr bool dynamic = true;

    CArr(const DynArr<T> &array) : whole(&array), cells(nullptr), fixed(0) {}
    CArr(const ArrRef<T> &array) : whole(array.whole), cells(array.cells), fixed(array.fixed) {}
    template <std::size_t N> CArr(const Fix<T, N> &array) : whole(nullptr), cells(array.cells), fixed(static_cast<long>(N)) {}
    template <class U, std::size_t N, std::size_t M, std::size_t... R>
        requires std::is_same_v<T, Fix<U, M, R...>>
    CArr(const Fix<U, N, M, R...> &array) : whole(nullptr), cells(array.cells), fixed(static_cast<long>(N)) {}

    bool is_dynamic() const { return whole != nullptr; }
    const T *data() const { return whole ? whole->data() : cells; }
    long count() const { return whole ? whole->count() : fixed; }
    uint Size() const { return static_cast<uint>(count() * Plain<T>::count); }
    bool series() const { return whole && whole->series(); }
    template <Index I> const T &operator[](I index) const {
        if (whole) return (*whole)[index];
        return cells[checked(index, fixed)];
    }
    const CArr *operator->() const { return this; }
};

template <class A>
concept AnyArray = requires(const A &a) {
    typename A::value_type;
    a.count();
    a.series();
};
template <class A>
concept ByteArray = AnyArray<A> && std::is_integral_v<typename A::value_type> && sizeof(typename A::value_type) == 1;

template <AnyArray A> int ArraySize(const A &array) { return static_cast<int>(array.Size()); }
template <AnyArray A> int ArrayRange(const A &array, int rank) {
    return static_cast<int>(rank == 0 ? array.count() : Plain<typename A::value_type>::range(rank - 1));
}
template <AnyArray A> int ArrayResize(A &&array, int size, int reserve = 0) { return array.resize(size, reserve); }
template <class T> int ArrayResize(DynArr<T> &array, int size, int reserve = 0) { return array.resize(size, reserve); }
template <class T> int ArrayResize(ArrRef<T> &array, int size, int reserve = 0) { return array.resize(size, reserve); }
template <class T> int ArrayResize(const ArrRef<T> &array, int size, int reserve = 0) { return array.resize(size, reserve); }
template <class A> void ArrayFree(A &&array) { array.free(); }
template <class A> bool ArraySetAsSeries(A &&array, bool on) { return array.set_series(on); }
template <AnyArray A> bool ArrayGetAsSeries(const A &array) { return array.series(); }
template <AnyArray A> bool ArrayIsSeries(const A &) { return false; }
template <AnyArray A> bool ArrayIsDynamic(const A &array) {
    if constexpr (requires { array.is_dynamic(); })
        return array.is_dynamic();
    else
        return A::dynamic;
}
template <class A, class V> int ArrayInitialize(A &&array, V value) {
    using T = typename std::remove_cvref_t<A>::value_type;
    using P = typename Plain<T>::type;
    P *cells = reinterpret_cast<P *>(array.data());
    const long n = array.count() * Plain<T>::count;
    for (long i = 0; i < n; ++i) cells[i] = static_cast<P>(value);
    return static_cast<int>(n);
}
template <class A, class V> void ArrayFill(A &&array, int start, int count, V value) {
    using T = typename std::remove_cvref_t<A>::value_type;
    if (count == WHOLE_ARRAY) count = static_cast<int>(array.count()) - start;
    if (start < 0 || count < 0 || start + static_cast<long>(count) > array.count()) critical_index(start + static_cast<long>(count), array.count());
    for (int i = 0; i < count; ++i) array[start + i] = static_cast<T>(value);
}
/// Grows a dynamic target; copies what fits into a static one. Both may be the same array.
template <class D, class S>
int ArrayCopy(D &&to, const S &from, int to_start = 0, int from_start = 0, int count = WHOLE_ARRAY) {
    if (to_start < 0 || from_start < 0) return 0;
    const long there = from.count() - from_start;
    long n = count < 0 ? there : std::min<long>(count, there);
    if (n <= 0) return 0;
    if (to_start + n > to.count() && to.resize(static_cast<int>(to_start + n), 0) < 0) n = std::max<long>(0, to.count() - to_start);
    using T = typename std::remove_cvref_t<D>::value_type;
    const bool overlaps = static_cast<const void *>(to.data()) == static_cast<const void *>(from.data()) && to_start > from_start;
    for (long k = 0; k < n; ++k) {
        const long i = overlaps ? n - 1 - k : k;
        to[to_start + i] = static_cast<T>(from[from_start + i]);
    }
    return static_cast<int>(n);
}
template <class A, class B> int ArrayCompare(const A &a, const B &b, int a_start = 0, int b_start = 0, int count = WHOLE_ARRAY) {
    const long left = a.count() - a_start, right = b.count() - b_start;
    if (a_start < 0 || b_start < 0 || left < 0 || right < 0) return -2;
    const long n = count < 0 ? std::min(left, right) : std::min<long>({count, left, right});
    for (long i = 0; i < n; ++i) {
        if (a[a_start + i] < b[b_start + i]) return -1;
        if (b[b_start + i] < a[a_start + i]) return 1;
    }
    return count >= 0 || left == right ? 0 : left < right ? -1 : 1;
}
template <class A> bool ArraySort(A &&array) {
    std::stable_sort(array.data(), array.data() + array.count());
    if (array.series()) std::reverse(array.data(), array.data() + array.count());
    return true;
}
template <class A> bool ArrayReverse(A &&array, int start = 0, int count = WHOLE_ARRAY) {
    const long n = count < 0 ? array.count() - start : count;
    if (start < 0 || n < 0 || start + n > array.count()) return false;
    for (long i = 0; i < n / 2; ++i) std::swap(array[start + i], array[start + n - 1 - i]);
    return true;
}
/// An element that equals the value, or the nearest; the array must be sorted ascending.
template <class A, class V> int ArrayBsearch(const A &array, V value) {
    long low = 0, high = array.count() - 1;
    if (high < 0) return -1;
    while (low < high) {
        const long middle = (low + high) / 2;
        if (array[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return static_cast<int>(value < array[low] && low > 0 ? low - 1 : low);
}
template <class A> int ArrayMaximum(const A &array, int start = 0, int count = WHOLE_ARRAY) {
    const long end = count < 0 ? array.count() : std::min<long>(array.count(), static_cast<long>(start) + count);
    if (start < 0 || start >= end) return -1;
    int best = start;
    for (int i = start + 1; i < end; ++i)
        if (array[best] < array[i]) best = i;
    return best;
}
template <class A> int ArrayMinimum(const A &array, int start = 0, int count = WHOLE_ARRAY) {
    const long end = count < 0 ? array.count() : std::min<long>(array.count(), static_cast<long>(start) + count);
    if (start < 0 || start >= end) return -1;
    int best = start;
    for (int i = start + 1; i < end; ++i)
        if (array[i] < array[best]) best = i;
    return best;
}

} // namespace mql
