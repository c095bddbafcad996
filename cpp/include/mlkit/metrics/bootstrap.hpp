#pragma once
// The Poisson bootstrap: in each replicate a row counts as often as a Poisson number of mean 1 says. The number is a
// hash of seed, row id and replicate, so that chunks, threads and machines agree on it and rows of one id share it.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "mlkit/core/lanes.hpp"
#include "mlkit/core/parallel.hpp"
#include "mlkit/metrics/sets.hpp"

namespace mlkit::metrics {

namespace detail {

MLKIT_INLINE std::uint64_t mixed(std::uint64_t x) {  // a bijection that scatters its argument over 64 bits
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/// 2^32 times the probabilities that a Poisson number of mean 1 is at most 0, 1, 2, ...
constexpr std::array<std::uint32_t, 12> poisson_table = {1580030169u, 3160060337u, 3950075422u, 4213413783u,
                                                         4279248374u, 4292415292u, 4294609778u, 4294923276u,
                                                         4294962463u, 4294966817u, 4294967253u, 4294967292u};

/// counts[b] = Poisson number of the hash of key + b.
MLKIT_CLONES [[maybe_unused]] static void draw_of_key(std::uint64_t key, Index n, std::int32_t* counts) {
    constexpr Index block = 64;
    std::uint32_t uniform[block];
    for (Index begin = 0; begin < n; begin += block) {
        const Index size = std::min(block, n - begin);
        for (Index b = 0; b < size; ++b)
            uniform[b] = static_cast<std::uint32_t>(mixed(key + static_cast<std::uint64_t>(begin + b)) >> 32);
        for (Index b = 0; b < size; ++b) {
            std::int32_t count = 0;
            for (const std::uint32_t bound : poisson_table) count += uniform[b] >= bound;
            counts[begin + b] = count;
        }
    }
}

/// Fills counts[0, n) with the numbers of replicates begin, begin + 1, ... of one row.
inline void draw(std::uint64_t seed, std::uint64_t id, Index begin, Index n, std::int32_t* counts) {
    draw_of_key(mixed(seed ^ mixed(id)) + static_cast<std::uint64_t>(begin), n, counts);
}

/// to[b] += counts[b].
MLKIT_CLONES [[maybe_unused]] static void add_counts(std::int32_t* __restrict to, const std::int32_t* __restrict counts,
                                                     Index n) {
    for (Index b = 0; b < n; ++b) to[b] += counts[b];
}

constexpr Index product_rows = 64, product_width = 2 * lanes::width, product_depth = 4;

/// out[v, b] += sum over rows of x[row, v] * w[row, b], for `n_x` values (a multiple of product_depth) and `n_w`
/// replicates (of product_width).
MLKIT_CLONES [[maybe_unused]] static void add_products(const double* x, const double* w, Index n_rows, Index n_x,
                                                       Index n_w, double* out) {
    using lanes::Lanes;
    using lanes::detail::Vector;
    for (Index b = 0; b < n_w; b += product_width)
        for (Index v = 0; v < n_x; v += product_depth) {
            Vector sums[product_depth][2];
            for (Index c = 0; c < product_depth; ++c)
                for (Index h = 0; h < 2; ++h)
                    std::memcpy(&sums[c][h], out + (v + c) * n_w + b + h * lanes::width, sizeof(Vector));
            for (Index i = 0; i < n_rows; ++i) {
                Vector low, high;
                std::memcpy(&low, w + i * n_w + b, sizeof low);
                std::memcpy(&high, w + i * n_w + b + lanes::width, sizeof high);
                for (Index c = 0; c < product_depth; ++c) {
                    const double each = x[i * n_x + v + c];
                    lanes::detail::add_multiple(sums[c][0], low, each);
                    lanes::detail::add_multiple(sums[c][1], high, each);
                }
            }
            for (Index c = 0; c < product_depth; ++c)
                for (Index h = 0; h < 2; ++h)
                    std::memcpy(out + (v + c) * n_w + b + h * lanes::width, &sums[c][h], sizeof(Vector));
        }
}

/// The nearest whole number, |x| below 2^51.
inline double rounded(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

/// One thread's part of the sums: counts of some rows times their values as a product of small matrices, in doubles
/// that hold whole numbers exactly.
class RowReplicates {
  public:
    RowReplicates(Index n_values, Index n_boot)
        : n_boot_(n_boot),
          n_x_((n_values + product_depth - 1) / product_depth * product_depth),
          n_w_((n_boot + product_width - 1) / product_width * product_width),
          x_(static_cast<std::size_t>(product_rows * n_x_), 0.0),
          w_(static_cast<std::size_t>(product_rows * n_w_), 0.0),
          products_(static_cast<std::size_t>(n_x_ * n_w_)),
          counts_(static_cast<std::size_t>(n_boot)),
          sums_(products_.size(), 0) {}

    /// At most product_rows rows, whose values are to be written first: whole numbers below `limit`.
    double& value(Index row, Index v) { return x_[static_cast<std::size_t>(row * n_x_ + v)]; }
    void add(const std::int64_t* ids, Index n_rows, std::uint64_t seed) {
        for (Index i = 0; i < n_rows; ++i) {
            draw(seed, static_cast<std::uint64_t>(ids[i]), 0, n_boot_, counts_.data());
            std::copy(counts_.begin(), counts_.end(), w_.begin() + i * n_w_);
        }
        std::fill(products_.begin(), products_.end(), 0.0);
        add_products(x_.data(), w_.data(), n_rows, n_x_, n_w_, products_.data());
        for (std::size_t k = 0; k < sums_.size(); ++k) sums_[k] += static_cast<std::int64_t>(products_[k]);
    }
    std::int64_t sum(Index v, Index replicate) const { return sums_[static_cast<std::size_t>(v * n_w_ + replicate)]; }

    /// Products of so many rows stay below 2^53: a Poisson number is at most 12.
    static constexpr std::int64_t limit = std::int64_t{1} << 43;

  private:
    Index n_boot_, n_x_, n_w_;
    std::vector<double> x_, w_, products_;
    std::vector<std::int32_t> counts_;
    std::vector<std::int64_t> sums_;
};

/// out[b, v] = sum over rows of count * value; fill(rows, begin, end) writes the values of some rows.
template <class Fill>
void sum_replicates(const std::int64_t* ids, Index n_rows, Index n_values, std::uint64_t seed, Index n_boot,
                    const Team& whole_team, std::int64_t* out, Fill&& fill) {
    const Team team = whole_team.for_work(n_rows * n_boot * (n_values + 4) / 8);
    std::vector<RowReplicates> parts(static_cast<std::size_t>(team.n_threads), RowReplicates(n_values, n_boot));
    for_each_range(n_rows, product_rows, team, [&](Index begin, Index end, int thread) {
        RowReplicates& part = parts[static_cast<std::size_t>(thread)];
        fill(part, begin, end);
        part.add(ids + begin, end - begin, seed);
    });
    for (Index b = 0; b < n_boot; ++b)
        for (Index v = 0; v < n_values; ++v) {
            std::int64_t total = 0;
            for (const RowReplicates& part : parts) total += part.sum(v, b);
            out[b * n_values + v] = total;
        }
}

}  // namespace detail

/// out[b, v] = sum over rows of count * values[row, v]; whole numbers, so that order does not matter. A value takes two
/// doubles where one might not do.
inline void bootstrap_rows(const std::int64_t* ids, const std::int64_t* values, Index n_rows, Index n_values,
                           std::uint64_t seed, Index n_boot, const Team& team, std::int64_t* out) {
    constexpr int low_bits = 31;
    constexpr std::int64_t low_mask = (std::int64_t{1} << low_bits) - 1;
    bool is_wide = false;
    for (Index k = 0; k < n_rows * n_values; ++k)
        is_wide |= values[k] >= detail::RowReplicates::limit || values[k] <= -detail::RowReplicates::limit;
    const Index n_parts = is_wide ? 2 : 1;
    std::vector<std::int64_t> sums(static_cast<std::size_t>(n_boot * n_values * n_parts));
    detail::sum_replicates(ids, n_rows, n_values * n_parts, seed, n_boot, team, sums.data(),
                           [&](detail::RowReplicates& rows, Index begin, Index end) {
                               for (Index i = begin; i < end; ++i)
                                   for (Index v = 0; v < n_values; ++v) {
                                       const std::int64_t value = values[i * n_values + v];
                                       rows.value(i - begin, n_parts * v) =
                                           static_cast<double>(is_wide ? value & low_mask : value);
                                       if (is_wide)
                                           rows.value(i - begin, 2 * v + 1) = static_cast<double>(value >> low_bits);
                                   }
                           });
    for (std::size_t k = 0; k < static_cast<std::size_t>(n_boot * n_values); ++k)
        out[k] = is_wide ? sums[2 * k] + sums[2 * k + 1] * (std::int64_t{1} << low_bits) : sums[k];
}

/// The same for columns of numbers, each rounded to whole multiples of 1 / scale: out[b, v] counts those.
inline void bootstrap_columns(const std::int64_t* ids, const std::vector<const double*>& columns, const double* scales,
                              Index n_rows, std::uint64_t seed, Index n_boot, const Team& team, std::int64_t* out) {
    const auto n_values = static_cast<Index>(columns.size());
    detail::sum_replicates(
        ids, n_rows, n_values, seed, n_boot, team, out, [&](detail::RowReplicates& rows, Index begin, Index end) {
            for (Index v = 0; v < n_values; ++v)
                for (Index i = begin; i < end; ++i)
                    rows.value(i - begin, v) = detail::rounded(columns[static_cast<std::size_t>(v)][i] * scales[v]);
        });
}

/// out[label, c, b] = hits, predicted and positive known cells (c = 0, 1, 2) of replicates begin, ..., begin + n_boot.
template <class Walk>
void bootstrap_labels(const LabelView& truth, Walk&& walk, const std::int64_t* ids, std::uint64_t seed, Index begin,
                      Index n_boot, const Team& team, std::int32_t* out) {
    const int background = truth.background == Background::negative ? 0 : -1;
    const auto size = static_cast<std::size_t>(3 * truth.n_labels * n_boot);
    struct Mine {
        std::vector<std::int32_t> sums, counts;  // sums of hits, of other predicted and of other positive cells
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads));
    walk(team, [&](int thread, Index i, const LabelRow& row, const PredictedRow& predicted) {
        Mine& m = mine[static_cast<std::size_t>(thread)];
        if (m.sums.empty()) {
            m.sums.assign(size, 0);
            m.counts.resize(static_cast<std::size_t>(n_boot));
        }
        detail::draw(seed, static_cast<std::uint64_t>(ids[i]), begin, n_boot, m.counts.data());
        merge_row(row, background, predicted, [&](std::int32_t label, int value, bool is_predicted) {
            if (value < 0 || (!value && !is_predicted)) return;
            const Index kind = value && is_predicted ? 0 : is_predicted ? 1 : 2;
            detail::add_counts(m.sums.data() + (3 * label + kind) * n_boot, m.counts.data(), n_boot);
        });
    });
    std::fill(out, out + size, 0);
    for (const Mine& m : mine)
        if (!m.sums.empty()) detail::add_counts(out, m.sums.data(), static_cast<Index>(size));
    for (Index j = 0; j < truth.n_labels; ++j)
        for (Index kind = 1; kind < 3; ++kind)
            detail::add_counts(out + (3 * j + kind) * n_boot, out + 3 * j * n_boot, n_boot);
}

}  // namespace mlkit::metrics
