#pragma once
// The Poisson bootstrap: in each replicate a row counts as often as a Poisson number of mean 1 says. The number is a
// hash of seed, row id and replicate, so that chunks, threads and machines agree on it and rows of one id share it.

#include <array>
#include <cstdint>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/metrics/sets.hpp"

namespace mlkit::metrics {

namespace detail {

inline std::uint64_t mixed(std::uint64_t x) {  // a bijection that scatters its argument over 64 bits
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/// 2^32 times the probabilities that a Poisson number of mean 1 is at most 0, 1, 2, ...
constexpr std::array<std::uint32_t, 12> poisson_table = {1580030169u, 3160060337u, 3950075422u, 4213413783u,
                                                         4279248374u, 4292415292u, 4294609778u, 4294923276u,
                                                         4294962463u, 4294966817u, 4294967253u, 4294967292u};

inline std::uint32_t poisson(std::uint32_t uniform) {
    std::uint32_t n = 0;
    for (const std::uint32_t bound : poisson_table) n += uniform >= bound;
    return n;
}

/// Fills counts[0, n) with the numbers of replicates begin, begin + 1, ... of one row.
inline void draw(std::uint64_t seed, std::uint64_t id, Index begin, Index n, std::int32_t* counts) {
    const std::uint64_t key = mixed(seed ^ mixed(id));
    for (Index b = 0; b < n; ++b)
        counts[b] = static_cast<std::int32_t>(
            poisson(static_cast<std::uint32_t>(mixed(key + static_cast<std::uint64_t>(begin + b)) >> 32)));
}

}  // namespace detail

/// out[b, m] = sum over rows of count * values[row, m]; whole numbers, so that order does not matter.
inline void bootstrap_rows(const std::int64_t* ids, const std::int64_t* values, Index n_rows, Index n_values,
                           std::uint64_t seed, Index n_boot, const Team& whole_team, std::int64_t* out) {
    const Team team = whole_team.for_work(n_rows * n_boot * (n_values + 4) / 4);
    const auto size = static_cast<std::size_t>(n_values * n_boot);
    struct Mine {
        std::vector<std::int64_t> sums;
        std::vector<std::int32_t> counts;
    };
    std::vector<Mine> mine(
        static_cast<std::size_t>(team.n_threads),
        {std::vector<std::int64_t>(size, 0), std::vector<std::int32_t>(static_cast<std::size_t>(n_boot))});
    for_each_range(n_rows, 256, team, [&](Index begin, Index end, int thread) {
        Mine& m = mine[static_cast<std::size_t>(thread)];
        for (Index i = begin; i < end; ++i) {
            detail::draw(seed, static_cast<std::uint64_t>(ids[i]), 0, n_boot, m.counts.data());
            for (Index v = 0; v < n_values; ++v) {
                const std::int64_t value = values[i * n_values + v];
                std::int64_t* sums = m.sums.data() + v * n_boot;
                if (value == 0) continue;
                for (Index b = 0; b < n_boot; ++b) sums[b] += value * m.counts[static_cast<std::size_t>(b)];
            }
        }
    });
    for (Index b = 0; b < n_boot; ++b)
        for (Index v = 0; v < n_values; ++v) {
            std::int64_t total = 0;
            for (const Mine& m : mine) total += m.sums[static_cast<std::size_t>(v * n_boot + b)];
            out[b * n_values + v] = total;
        }
}

/// out[label, c, b] = hits, predicted and positive known cells (c = 0, 1, 2) of replicates begin, ..., begin + n_boot.
template <class Walk>
void bootstrap_labels(const LabelView& truth, Walk&& walk, const std::int64_t* ids, std::uint64_t seed, Index begin,
                      Index n_boot, const Team& team, std::int32_t* out) {
    const int background = truth.background == Background::negative ? 0 : -1;
    const auto size = static_cast<std::size_t>(3 * truth.n_labels * n_boot);
    struct Mine {
        std::vector<std::int32_t> sums, counts;
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
            if (value < 0) return;
            std::int32_t* sums = m.sums.data() + 3 * n_boot * label;
            const std::int32_t* counts = m.counts.data();
            const auto add = [&](Index c) {
                for (Index b = 0; b < n_boot; ++b) sums[c * n_boot + b] += counts[b];
            };
            if (value && is_predicted) add(0);
            if (is_predicted) add(1);
            if (value) add(2);
        });
    });
    std::fill(out, out + size, 0);
    for (const Mine& m : mine)
        for (std::size_t k = 0; k < m.sums.size(); ++k) out[k] += m.sums[k];
}

}  // namespace mlkit::metrics
