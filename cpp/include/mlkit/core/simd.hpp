#pragma once
// The few loops that touch every dense cell, as plain loops over one row that compilers vectorise. On x86-64 Linux with
// GCC each is compiled for three instruction sets and chosen when the library loads; all give the same bits (no fused
// multiply-add, no reordered floating-point sums).

#include <cstdint>
#include <cstring>
#include <limits>

#include "mlkit/core/fixed_point.hpp"
#include "mlkit/core/views.hpp"

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) && \
    !defined(__SANITIZE_ADDRESS__)
#define MLKIT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MLKIT_CLONES
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
