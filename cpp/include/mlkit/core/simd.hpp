#pragma once
// The few loops that touch every dense cell, as plain loops over one row that compilers vectorise. On x86-64 Linux with
// GCC each is compiled for three instruction sets and chosen when the library loads; all give the same bits (no fused
// multiply-add, no reordered floating-point sums).

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "mlkit/core/fixed_point.hpp"
#include "mlkit/core/views.hpp"

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) && \
    !defined(__SANITIZE_ADDRESS__)
#define MLKIT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define MLKIT_HAS_CLONES 1
#else
#define MLKIT_CLONES
#endif

#if defined(__GNUC__)
#define MLKIT_INLINE [[gnu::always_inline]] inline
#else
#define MLKIT_INLINE inline
#endif

namespace mlkit::simd {

/// How many of n numbers lie in [0, 1]; NaN does not.
MLKIT_CLONES [[maybe_unused]] static Index count_in_unit(const double* p, Index n) {
    Index inside = 0;
    for (Index j = 0; j < n; ++j) inside += (p[j] >= 0.0) & (p[j] <= 1.0);
    return inside;
}

/// sums[j] += p[j] in units of 2^-40.
MLKIT_CLONES [[maybe_unused]] static void add_units(std::uint64_t* sums, const double* p, Index n) {
    for (Index j = 0; j < n; ++j) sums[j] += fixed_point::units(p[j]);
}

/// to[j] += from[j]; the two do not overlap.
MLKIT_CLONES [[maybe_unused]] static void add_to(double* __restrict to, const double* __restrict from, Index n) {
    for (Index j = 0; j < n; ++j) to[j] += from[j];
}

/// one[j] += p[j] >= cut_one[j], zero[j] += p[j] <= cut_zero[j].
MLKIT_CLONES [[maybe_unused]] static void count_guesses(Index* one, Index* zero, const double* p, const double* cut_one,
                                                        const double* cut_zero, Index n) {
    for (Index j = 0; j < n; ++j) {
        one[j] += p[j] >= cut_one[j];
        zero[j] += p[j] <= cut_zero[j];
    }
}

/// marks[j] = p[j] >= cut[j].
MLKIT_CLONES [[maybe_unused]] static void mark_at_least(const double* p, const double* cut, Index n,
                                                        std::uint8_t* marks) {
    for (Index j = 0; j < n; ++j) marks[j] = p[j] >= cut[j];
}

/// marks[j] = p[j] >= cut.
MLKIT_CLONES [[maybe_unused]] static void mark_at_least(const double* p, double cut, Index n, std::uint8_t* marks) {
    for (Index j = 0; j < n; ++j) marks[j] = p[j] >= cut;
}

/// Positions of the marks that are set, ascending, into `hits` (room for n + 8); returns how many. The 8 bytes after
/// the marks are scratch. Eight misses in a row are skipped at once; among hits, which come unpredictably, there is no
/// branch.
inline Index find_marked(std::uint8_t* marks, Index n, std::int32_t* hits) {
    std::memset(marks + n, 0, 8);
    Index n_hits = 0;
    for (Index j = 0; j < n; j += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, marks + j, 8);
        if (eight == 0) continue;
        for (Index k = j; k < j + 8; ++k) {
            hits[n_hits] = static_cast<std::int32_t>(k);
            n_hits += marks[k];
        }
    }
    return n_hits;
}

/// Positions of the p[j] >= cut (or cut[j]), in the same way; `marks` is scratch for n + 8 bytes.
template <class Cut>
Index find_at_least(const double* p, Cut cut, Index n, std::uint8_t* marks, std::int32_t* hits) {
    mark_at_least(p, cut, n, marks);
    return find_marked(marks, n, hits);
}

/// out[j] = 1 - p[j].
MLKIT_CLONES [[maybe_unused]] static void complement(const double* p, double* out, Index n) {
    for (Index j = 0; j < n; ++j) out[j] = 1.0 - p[j];
}

/// The values up to `limit`, in order, into `out` (room for n); returns how many.
inline Index keep_at_most(const double* v, Index n, double limit, double* out) {
    Index kept = 0;
    for (Index j = 0; j < n; ++j) {
        out[kept] = v[j];
        kept += v[j] <= limit;
    }
    return kept;
}

/// counts[j] = how many of the ascending numbers `sorted` are below p[j]; there are `size`, a power of two less one,
/// the last of them NaN where there are fewer.
MLKIT_CLONES [[maybe_unused]] static void count_smaller(const double* p, Index n, const double* sorted, Index size,
                                                        std::int32_t* counts) {
    for (Index j = 0; j < n; ++j) counts[j] = 0;
    for (auto half = static_cast<std::int32_t>((size + 1) / 2); half > 0; half /= 2)
        for (Index j = 0; j < n; ++j) counts[j] += sorted[counts[j] + half - 1] < p[j] ? half : 0;
}

/// Bits of a score as a number that ascends with it; -0 is 0.
template <class Real>
using KeyOf = std::conditional_t<std::is_same_v<Real, double>, std::uint64_t, std::uint32_t>;

namespace detail {

template <class Real>
MLKIT_INLINE void order_bits_of(const Real* __restrict scores, Index n, KeyOf<Real>* __restrict keys) {
    using Key = KeyOf<Real>;
    constexpr unsigned sign = 8 * sizeof(Key) - 1;
    for (Index k = 0; k < n; ++k) {
        const Real x = scores[k] + Real{0};
        Key b;
        std::memcpy(&b, &x, sizeof b);
        keys[k] = b >> sign ? ~b : b | (Key{1} << sign);
    }
}

}  // namespace detail

MLKIT_CLONES [[maybe_unused]] static void order_bits(const float* scores, Index n, std::uint32_t* keys) {
    detail::order_bits_of(scores, n, keys);
}
MLKIT_CLONES [[maybe_unused]] static void order_bits(const double* scores, Index n, std::uint64_t* keys) {
    detail::order_bits_of(scores, n, keys);
}

/// Ascending distinct keys in buckets of equal width: `starts` holds the number of the first key in each; a search that
/// begins there with a halving of `step` ends at the first key that is not below. The highest key follows the last one
/// at least 2 * step times.
template <class Key>
struct KeyIndex {
    Key first, last;
    unsigned shift;
    const std::int32_t* starts;
    const Key* keys;
    std::int32_t step;
};

namespace detail {

template <class Key>
MLKIT_INLINE void find_places_of(const KeyIndex<Key>& index, const Key* __restrict wanted, Index n,
                                 std::int32_t* __restrict places) {
    const Key first = index.first, last = index.last;
    const Key* __restrict keys = index.keys;
    const std::int32_t* __restrict starts = index.starts;
    const unsigned shift = index.shift;
    for (Index k = 0; k < n; ++k) {
        const Key above = wanted[k] > first ? wanted[k] : first, inside = above < last ? above : last;
        places[k] = starts[static_cast<std::int32_t>((inside - first) >> shift)];
    }
    for (std::int32_t half = index.step; half > 0; half /= 2) {
        const Key* __restrict middle = keys + half - 1;
        for (Index k = 0; k < n; ++k) {
            const std::int32_t at = places[k];
            places[k] = at + (middle[at] < wanted[k] ? half : 0);
        }
    }
    for (Index k = 0; k < n; ++k) {
        const std::int32_t at = places[k];
        places[k] = 2 * at + (keys[at] == wanted[k] ? 1 : 0);
    }
}

}  // namespace detail

/// places[k] = 2g + 1 where wanted[k] is the g-th key, 2g where it lies between that and the one below.
MLKIT_CLONES [[maybe_unused]] static void find_places(const KeyIndex<std::uint32_t>& index, const std::uint32_t* wanted,
                                                      Index n, std::int32_t* places) {
    detail::find_places_of(index, wanted, n, places);
}
MLKIT_CLONES [[maybe_unused]] static void find_places(const KeyIndex<std::uint64_t>& index, const std::uint64_t* wanted,
                                                      Index n, std::int32_t* places) {
    detail::find_places_of(index, wanted, n, places);
}

namespace detail {

/// Natural logarithm of x in (0, 1], within two units in the last place: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and
/// log m = 2 artanh s with s = (m - 1) / (m + 1), of which eleven terms of the power series are enough.
MLKIT_INLINE double log_of(double x) {
    constexpr std::uint64_t half_root = 0x3fe6a09e667f3bcdu, one = 0x3ff0000000000000u;
    constexpr double shifter = 0x1.8p52;
    std::uint64_t b, shifted;
    std::memcpy(&b, &x, sizeof b);
    std::memcpy(&shifted, &shifter, sizeof shifted);
    const std::uint64_t raised = b + (one - half_root);
    const std::uint64_t exponent = (raised >> 52) + (shifted - 1023);
    const std::uint64_t mantissa = (raised & 0x000fffffffffffffu) + half_root;
    double e, m;
    std::memcpy(&e, &exponent, sizeof e);
    std::memcpy(&m, &mantissa, sizeof m);
    e -= shifter;
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double sum = 2.0 / 21;
    sum = sum * z + 2.0 / 19;
    sum = sum * z + 2.0 / 17;
    sum = sum * z + 2.0 / 15;
    sum = sum * z + 2.0 / 13;
    sum = sum * z + 2.0 / 11;
    sum = sum * z + 2.0 / 9;
    sum = sum * z + 2.0 / 7;
    sum = sum * z + 2.0 / 5;
    sum = sum * z + 2.0 / 3;
    return e * 0x1.62e42fefa39efp-1 + (2.0 * s + s * (z * sum));
}

MLKIT_INLINE double clamped(double x, double low, double high) {
    const double above = x < low ? low : x;
    return above > high ? high : above;
}

}  // namespace detail

/// -log p, p kept `epsilon` away from 0 and 1: the loss of a positive cell, or that of a negative one of 1 - p.
inline double log_loss(double p, double epsilon) { return -detail::log_of(detail::clamped(p, epsilon, 1.0 - epsilon)); }

/// Sums of the squared and logarithmic losses of n <= 256 negative cells, in units of 2^-50.
struct LossUnits {
    std::uint64_t squared, logarithmic;
};
MLKIT_CLONES [[maybe_unused]] static LossUnits negative_losses(const double* p, double epsilon, Index n) {
    LossUnits sums{0, 0};
    for (Index j = 0; j < n; ++j) {
        const double inside = detail::clamped(1.0 - p[j], epsilon, 1.0 - epsilon);
        sums.squared += fixed_point::fine_units(p[j] * p[j]);
        sums.logarithmic += fixed_point::wide_units(-detail::log_of(inside));
    }
    return sums;
}

/// to[j] = from[j], at least `low` and at most `high` (as variables: compilers make branches of constants).
MLKIT_CLONES [[maybe_unused]] static void clamp(const float* __restrict from, Index n, double low, double high,
                                                double* __restrict to) {
    for (Index j = 0; j < n; ++j) to[j] = detail::clamped(static_cast<double>(from[j]), low, high);
}
MLKIT_CLONES [[maybe_unused]] static void clamp(const double* __restrict from, Index n, double low, double high,
                                                double* __restrict to) {
    for (Index j = 0; j < n; ++j) to[j] = detail::clamped(from[j], low, high);
}

namespace detail {

template <bool closed_left>
MLKIT_INLINE void uniform_bins_of(const double* __restrict p, Index n, double step, std::int32_t n_bins,
                                  std::int32_t* __restrict bins) {
    const double scale = n_bins;
    const std::int32_t last = n_bins - 1;
    for (Index j = 0; j < n; ++j) {  // rounding may lead to the next bin, no further
        const auto guess = static_cast<std::int32_t>(p[j] * scale);
        const std::int32_t at = guess < last ? guess : last;
        const double low = at * step, high = (at + 1) * step;
        const std::int32_t down = closed_left ? (low > p[j] ? 1 : 0) : (low >= p[j] ? 1 : 0);
        const std::int32_t up = closed_left ? (high <= p[j] ? 1 : 0) : (high < p[j] ? 1 : 0);
        const std::int32_t bin = at - down + up, inside = bin > 0 ? bin : 0;
        bins[j] = inside < last ? inside : last;
    }
}

}  // namespace detail

/// bins[j] = how many of step, 2 step, ..., (n_bins - 1) step are below p[j] in [0, 1] (or at it); step = 1 / n_bins.
MLKIT_CLONES [[maybe_unused]] static void bins_closed_right(const double* p, Index n, double step, std::int32_t n_bins,
                                                            std::int32_t* bins) {
    detail::uniform_bins_of<false>(p, n, step, n_bins, bins);
}
MLKIT_CLONES [[maybe_unused]] static void bins_closed_left(const double* p, Index n, double step, std::int32_t n_bins,
                                                           std::int32_t* bins) {
    detail::uniform_bins_of<true>(p, n, step, n_bins, bins);
}

/// ranks[i] = number of values below v[i]; `padded` is n rounded up to 8 and v[n..padded) is infinite.
MLKIT_CLONES [[maybe_unused]] static void count_below(const double* v, Index n, Index padded, std::int64_t* ranks) {
    for (Index i = 0; i < n; ++i) {
        std::int64_t below = 0;
        for (Index j = 0; j < padded; ++j) below += v[j] < v[i];
        ranks[i] = below;
    }
}

/// Sorts up to 64 values without a branch on them: each goes where its rank says, equal ones fill the places after it.
constexpr Index small_sort_limit = 64;
inline void sort_small(double* v, Index n) {
    if (n < 2) return;
    constexpr auto limit = static_cast<std::size_t>(small_sort_limit);
    alignas(64) double padded[limit + 8];
    std::int64_t ranks[limit];
    const Index width = (n + 7) / 8 * 8;
    std::memcpy(padded, v, static_cast<std::size_t>(n) * sizeof(double));
    for (Index j = n; j < width; ++j) padded[j] = std::numeric_limits<double>::infinity();
    count_below(padded, n, width, ranks);
    bool filled[limit] = {};
    for (Index i = 0; i < n; ++i) {
        v[ranks[i]] = padded[i];
        filled[ranks[i]] = true;
    }
    for (Index r = 1; r < n; ++r) v[r] = filled[r] ? v[r] : v[r - 1];
}

}  // namespace mlkit::simd
