#pragma once
// The Poisson bootstrap of bootstrap.hpp for rows that weigh: a row counts as often as drawn, each time with its
// weight.

#include "mlkit/metrics/bootstrap.hpp"

namespace mlkit::metrics {

/// out[label, c, b] = weight in units of the hits, predicted and positive known cells (c = 0, 1, 2) of replicates
/// begin, ..., begin + n_boot; whole numbers, so that order does not matter. Units of all rows together stay below
/// 2^59.
template <class Walk>
void bootstrap_label_weights(const LabelView& truth, Walk&& walk, const std::int64_t* ids, const std::uint64_t* units,
                             std::uint64_t seed, Index begin, Index n_boot, const Team& team, std::int64_t* out) {
    const int background = truth.background == Background::negative ? 0 : -1;
    const auto size = static_cast<std::size_t>(3 * truth.n_labels * n_boot);
    struct Mine {
        std::vector<std::int64_t> sums, drawn;
        std::vector<std::int32_t> counts;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads));
    walk(team, [&](int thread, Index i, const LabelRow& row, const PredictedRow& predicted) {
        Mine& m = mine[static_cast<std::size_t>(thread)];
        if (m.sums.empty()) {
            m.sums.assign(size, 0);
            m.counts.resize(static_cast<std::size_t>(n_boot));
            m.drawn.resize(m.counts.size());
        }
        detail::draw(seed, static_cast<std::uint64_t>(ids[i]), begin, n_boot, m.counts.data());
        const auto weight = static_cast<std::int64_t>(units[i]);
        for (std::size_t b = 0; b < m.counts.size(); ++b) m.drawn[b] = weight * m.counts[b];
        merge_row(row, background, predicted, [&](std::int32_t label, int value, bool is_predicted) {
            if (value < 0) return;
            std::int64_t* sums = m.sums.data() + 3 * n_boot * label;
            const auto add = [&](Index c) {
                for (Index b = 0; b < n_boot; ++b) sums[c * n_boot + b] += m.drawn[static_cast<std::size_t>(b)];
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
