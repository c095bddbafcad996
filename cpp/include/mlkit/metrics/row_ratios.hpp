#pragma once
// Means over rows of what is a quotient of counts: F, precision, recall, Jaccard, specificity. Each quotient becomes a
// whole number of units of 2^-50, so that the sum has the same bits however the rows are cut and stored.

#include "mlkit/core/simd.hpp"
#include "mlkit/metrics/sets.hpp"

namespace mlkit::metrics {

/// So many times hits, predicted, positive and known cells, over so many times the same.
struct RowRatio {
    double numerator[4], denominator[4];
};

/// What the quotients of some rows, each in [0, 1], sum up to.
struct RatioSums {
    WideSum units;          ///< of 2^-50
    Index n_known = 0;      ///< rows with a known cell
    Index n_undefined = 0;  ///< of these, rows whose denominator is 0; they add nothing
    Index n_exact = 0;      ///< of these, rows without an error

    void add(const RatioSums& other) {
        units.add(other.units);
        n_known += other.n_known;
        n_undefined += other.n_undefined;
        n_exact += other.n_exact;
    }
};

namespace detail {

struct RatioBlock {
    std::uint64_t units;
    std::int32_t n_known, n_undefined, n_exact;
};

/// The same for at most 4096 rows, whose units fit into one word.
MLKIT_CLONES [[maybe_unused]] static RatioBlock sum_block(const RowCounts* rows, Index n, const RowRatio& ratio) {
    const double a0 = ratio.numerator[0], a1 = ratio.numerator[1], a2 = ratio.numerator[2], a3 = ratio.numerator[3];
    const double b0 = ratio.denominator[0], b1 = ratio.denominator[1], b2 = ratio.denominator[2],
                 b3 = ratio.denominator[3];
    std::uint64_t units = 0;
    std::int32_t n_known = 0, n_undefined = 0, n_exact = 0;
    for (Index i = 0; i < n; ++i) {
        const RowCounts& row = rows[i];
        const double hits = row.hits, predicted = row.predicted, positive = row.positive, known = row.known;
        const double up = a0 * hits + a1 * predicted + a2 * positive + a3 * known;
        const double down = b0 * hits + b1 * predicted + b2 * positive + b3 * known;
        const bool is_defined = down != 0.0;  // never in a row without a known cell
        units += fixed_point::fine_units(is_defined ? up / (is_defined ? down : 1.0) : 0.0);
        n_known += row.known > 0;
        n_undefined += (row.known > 0) & !is_defined;
        n_exact += (row.known > 0) & (row.hits == row.predicted) & (row.hits == row.positive);
    }
    return {units, n_known, n_undefined, n_exact};
}

}  // namespace detail

inline void add_ratios(const RowCounts* rows, Index n, const RowRatio& ratio, RatioSums& sums) {
    constexpr Index most = 4096;
    for (Index begin = 0; begin < n; begin += most) {
        const detail::RatioBlock block = detail::sum_block(rows + begin, std::min(most, n - begin), ratio);
        RatioSums of;
        of.units.add(block.units);
        of.n_known = block.n_known;
        of.n_undefined = block.n_undefined;
        of.n_exact = block.n_exact;
        sums.add(of);
    }
}

}  // namespace mlkit::metrics
