// Mathematics.
#pragma once
#pragma GCC system_header

#include "mql_core.hpp"
#include <cmath>
#include <limits>

namespace mql {

inline constexpr double EMPTY_VALUE = std::numeric_limits<double>::max();
inline constexpr int EMPTY = -1;

template <class A, class B> constexpr std::common_type_t<A, B> MathMax(A a, B b) {
    using T = std::common_type_t<A, B>;
    return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}
template <class A, class B> constexpr std::common_type_t<A, B> MathMin(A a, B b) {
    using T = std::common_type_t<A, B>;
    return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
}
template <class T> constexpr T MathAbs(T value) { return value < 0 ? static_cast<T>(-value) : value; }
inline double MathFloor(double x) { return std::floor(x); }
inline double MathCeil(double x) { return std::ceil(x); }
inline double MathRound(double x) { return std::round(x); }
inline double MathSqrt(double x) { return std::sqrt(x); }
inline double MathPow(double x, double y) { return std::pow(x, y); }
inline double MathExp(double x) { return std::exp(x); }
inline double MathLog(double x) { return std::log(x); }
inline double MathLog10(double x) { return std::log10(x); }
inline double MathMod(double x, double y) { return std::fmod(x, y); }
inline double MathSin(double x) { return std::sin(x); }
inline double MathCos(double x) { return std::cos(x); }
inline double MathTan(double x) { return std::tan(x); }
inline double MathArctan(double x) { return std::atan(x); }
inline double MathArcsin(double x) { return std::asin(x); }
inline double MathArccos(double x) { return std::acos(x); }
inline bool MathIsValidNumber(double x) { return std::isfinite(x); }
/// 0 to 32767.
int MathRand();
void MathSrand(int seed);

} // namespace mql

// Macros in C, so they are not names that a namespace could hold: the same values as MQL's.
#include <cfloat>
#include <climits>
