#pragma once
// How often each label is given, denied and unknown.

#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit::labels {

struct LabelCounts {
    std::vector<Index> positives;
    std::vector<Index> negatives;
};

/// One pass over the stored cells; O(stored + labels x threads).
inline LabelCounts count_labels(const LabelView& labels, const Team& whole_team) {
    const Team team = whole_team.for_work(labels.n_stored());
    const auto n = static_cast<std::size_t>(labels.n_labels);
    struct Tally {
        std::vector<Index> positive, negative, unknown;
    };
    std::vector<Tally> tallies(static_cast<std::size_t>(team.n_threads),
                               Tally{std::vector<Index>(n), std::vector<Index>(n), std::vector<Index>(n)});
    for_each_range(labels.n_rows, 4096, team, [&](Index begin, Index end, int thread) {
        Tally& t = tallies[static_cast<std::size_t>(thread)];
        for (Index k = labels.indptr[begin]; k < labels.indptr[end]; ++k) {
            const int value = labels.values ? labels.values[k] : 1;
            auto& counts = value > 0 ? t.positive : value == 0 ? t.negative : t.unknown;
            ++counts[static_cast<std::size_t>(labels.indices[k])];
        }
    });
    LabelCounts total{std::vector<Index>(n), std::vector<Index>(n)};
    for (std::size_t j = 0; j < n; ++j) {
        Index unknown = 0;
        for (const Tally& t : tallies) {
            total.positives[j] += t.positive[j];
            total.negatives[j] += t.negative[j];
            unknown += t.unknown[j];
        }
        if (labels.background == Background::negative)
            total.negatives[j] = labels.n_rows - total.positives[j] - unknown;
    }
    return total;
}

}  // namespace mlkit::labels
