#pragma once
// What a pair of labels is worth, from how often they occur.

#include <cmath>

#include "mlkit/core/views.hpp"

namespace mlkit::labels {

enum class PairMeasure { count, jaccard, dice, cosine, lift, pmi, phi };

/// Counts of two labels over the rows in which both are known.
struct PairCounts {
    Index n, first, second, both;
};

/// Of rows where both are known. A label that is constant there has phi 0.
inline double measure_of(PairMeasure measure, const PairCounts& c) {
    const auto n = static_cast<double>(c.n), a = static_cast<double>(c.first), b = static_cast<double>(c.second);
    const auto ab = static_cast<double>(c.both);
    switch (measure) {
        case PairMeasure::count:
            return ab;
        case PairMeasure::jaccard:
            return ab / (a + b - ab);
        case PairMeasure::dice:
            return 2.0 * ab / (a + b);
        case PairMeasure::cosine:
            return ab / std::sqrt(a * b);
        case PairMeasure::lift:
            return (n * ab) / (a * b);
        case PairMeasure::pmi:
            return std::log((n * ab) / (a * b));
        case PairMeasure::phi:
            break;
    }
    const double spread = (a * (n - a)) * (b * (n - b));
    return spread > 0.0 ? (n * ab - a * b) / std::sqrt(spread) : 0.0;
}

}  // namespace mlkit::labels
