#pragma once
// The area under the ROC curve of every label; cells of one bin count as ties.

#include <cmath>
#include <limits>

#include "mlkit/quality/label_histogram.hpp"

namespace mlkit::quality {

struct Auc {
    double value;  ///< NaN when a side is empty
    double error;  ///< the exact area differs by at most so much
};

inline Auc auc_from_histogram(const LabelHistogram& histogram) {
    double below = 0, n_positive = 0, wins = 0, tied = 0;
    for (const std::int32_t b : histogram.used) {
        const auto p = static_cast<double>(histogram.positive[b]), n = static_cast<double>(histogram.negative[b]);
        wins += p * below;
        tied += p * n;
        below += n;
        n_positive += p;
    }
    const double pairs = n_positive * below;
    if (pairs <= 0) return {std::nan(""), std::nan("")};
    return {(wins + 0.5 * tied) / pairs, 0.5 * tied / pairs};
}

}  // namespace mlkit::quality
