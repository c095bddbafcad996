#pragma once
// How many cells each filter takes from a label's side, and where the cut among its doubted cells lies.
// Northcutt, Jiang, Chuang, JAIR 2021, section 3.2: in one 2x2 problem per label every prune rule is a budget on the
// doubted cells in order of self-confidence.

#include <algorithm>
#include <limits>
#include <vector>

#include "mlkit/quality/confident_joint.hpp"
#include "mlkit/quality/doubt.hpp"

namespace mlkit::quality {

enum class PruneRule { by_noise_rate, by_class, both };

/// Cells to take from the side `given` of a label. `joint` is calibrated; a side with at most max(1, min_examples)
/// cells gives none.
inline Index prune_budget(const Joint& joint, int given, Index n_side, double frac_noise, Index min_examples,
                          PruneRule rule) {
    if (n_side <= std::max<Index>(1, min_examples)) return 0;
    const Index diagonal = joint[given][given];
    const auto kept = static_cast<double>(std::max(diagonal, min_examples));
    const auto off =
        std::max(static_cast<double>(joint[given][1 - given]) - (kept - static_cast<double>(diagonal)), 0.0);
    const auto by_rate = static_cast<Index>(off * frac_noise);
    const auto by_class = std::max<Index>(0, n_side - static_cast<Index>(kept + (off - off * frac_noise)));
    switch (rule) {
        case PruneRule::by_noise_rate:
            return by_rate;
        case PruneRule::by_class:
            return by_class;
        default:
            return std::min(by_rate, by_class);
    }
}

/// A group's cut: cells in bins before `bin` are flagged, of those in `bin` the first `take` by (self-confidence, row).
struct GroupCut {
    int bin = 0;
    Index take = 0;
};

/// The cuts that spend each group's budget, or all that it has if that is less.
inline std::vector<GroupCut> cuts_from_budgets(const DoubtHistogram& histogram, const Index* budgets, Index n_labels) {
    std::vector<GroupCut> cuts(static_cast<std::size_t>(histogram.grouping().n_groups(n_labels)));
    for (std::size_t g = 0; g < cuts.size(); ++g) {
        Index left = budgets[g];
        int b = 0;
        for (; b < histogram.n_bins(); ++b) {
            const Index here = histogram.count(static_cast<Index>(g), b);
            if (here > left) break;
            left -= here;
        }
        cuts[g] = {b, b < histogram.n_bins() ? left : 0};
    }
    return cuts;
}

}  // namespace mlkit::quality
