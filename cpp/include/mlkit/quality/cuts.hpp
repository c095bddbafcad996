#pragma once
// Thresholds and tolerances as cut points on the probability itself. A rule such as 1 - p >= t - 1e-6 is monotone in p,
// but near the border its outcome depends on how the arithmetic rounds; the border is found by bisection over the
// representable numbers with the rule written out once. Afterwards kernels only compare p with one number.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "mlkit/core/views.hpp"

namespace mlkit::quality {

constexpr double tolerance = 1e-6;

namespace detail {

inline double from_key(std::int64_t key) {  // for non-negative doubles, bit patterns order like the numbers
    double x;
    std::memcpy(&x, &key, sizeof x);
    return x;
}

/// The smallest p in [0, 1] for which an increasing rule holds; infinity if there is none.
template <class Rule>
double smallest(Rule holds) {
    std::int64_t low = 0, high;
    const double one = 1.0;
    std::memcpy(&high, &one, sizeof high);
    if (!holds(1.0)) return std::numeric_limits<double>::infinity();
    while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (holds(from_key(middle)))
            high = middle;
        else
            low = middle + 1;
    }
    return from_key(high);
}

/// The largest p in [0, 1] for which a decreasing rule holds; -infinity if there is none.
template <class Rule>
double largest(Rule holds) {
    const double beyond = smallest([&](double p) { return !holds(p); });
    if (beyond == 0.0) return -std::numeric_limits<double>::infinity();
    if (beyond > 1.0) return 1.0;
    std::int64_t key;
    std::memcpy(&key, &beyond, sizeof key);
    return from_key(key - 1);
}

}  // namespace detail

/// Where one label's confident guesses begin: 1 from `one` upwards, 0 from `zero` downwards. When both outcomes reach
/// their thresholds the likelier is guessed; a tie is 0.
struct Guess {
    double one, zero;
};
inline Guess guess_cuts(double t0, double t1) {
    const auto sure_of_one = [=](double p) { return p >= t1 - tolerance; };
    const auto sure_of_zero = [=](double p) { return 1.0 - p >= t0 - tolerance; };
    const auto likelier_one = [](double p) { return p > 1.0 - p; };
    return {detail::smallest([&](double p) { return sure_of_one(p) && (!sure_of_zero(p) || likelier_one(p)); }),
            detail::largest([&](double p) { return sure_of_zero(p) && !(sure_of_one(p) && likelier_one(p)); })};
}

/// A given 0 is doubted from `absent` upwards, a given 1 from `present` downwards.
struct Doubt {
    double absent, present;
};
/// The model's likelier outcome is not the given one, by more than the tolerance.
inline Doubt disagreement_cuts() {
    return {detail::smallest([](double p) { return p > (1.0 - p) + tolerance; }),
            detail::largest([](double p) { return p + tolerance <= 1.0 - p; })};
}
/// A disagreeing cell whose other outcome reaches its own threshold.
inline Doubt confident_cuts(double t0, double t1) {
    const Doubt veto = disagreement_cuts();
    return {std::max(veto.absent, detail::smallest([=](double p) { return p >= t1 - tolerance; })),
            std::min(veto.present, detail::largest([=](double p) { return 1.0 - p >= t0 - tolerance; }))};
}

}  // namespace mlkit::quality
