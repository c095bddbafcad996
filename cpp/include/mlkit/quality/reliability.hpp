#pragma once
// How often a label is given where the model says p: the reliability diagram as numbers, and the two ends of it, where
// the model is surest. The range of p tells what the labels cannot: a model that has learned P(given | true 1) = 1 - m
// never says more than 1 - m.

#include <algorithm>
#include <array>

#include "mlkit/quality/label_histogram.hpp"

namespace mlkit::quality {

struct ReliabilityBin {
    double n_negative = 0, n_positive = 0, sum_p = 0;  ///< known cells by what was given; p to the histogram's bin
};

/// Ten bins of equal width, then the cells of smallest and of largest p.
struct Reliability {
    static constexpr int n_widths = 10, lowest = 10, highest = 11, size = 12;
    std::array<ReliabilityBin, size> bins;
};

/// The tails have at least `tail` cells (all of them if there are fewer): whole bins of the histogram.
inline Reliability reliability(const LabelHistogram& histogram, Index tail) {
    Reliability out;
    const auto add = [&](ReliabilityBin& to, std::int32_t b) {
        const auto n0 = static_cast<double>(histogram.negative[b]), n1 = static_cast<double>(histogram.positive[b]);
        to.n_negative += n0;
        to.n_positive += n1;
        to.sum_p += (n0 + n1) * LogitBins::representative(b);
    };
    const auto full = [&](const ReliabilityBin& bin) {
        return bin.n_negative + bin.n_positive >= static_cast<double>(tail);
    };
    for (const std::int32_t b : histogram.used) {
        const int width = static_cast<int>(LogitBins::representative(b) * Reliability::n_widths);
        add(out.bins[static_cast<std::size_t>(std::min(Reliability::n_widths - 1, width))], b);
    }
    auto& low = out.bins[Reliability::lowest];
    for (auto b = histogram.used.begin(); b != histogram.used.end() && !full(low); ++b) add(low, *b);
    auto& high = out.bins[Reliability::highest];
    for (auto b = histogram.used.rbegin(); b != histogram.used.rend() && !full(high); ++b) add(high, *b);
    return out;
}

}  // namespace mlkit::quality
