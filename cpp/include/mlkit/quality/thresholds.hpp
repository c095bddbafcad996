#pragma once
// Confident thresholds: the mean probability that the model gives to a label where it is given (side 1), and to its
// absence where it is not (side 0). Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021, Eq. (2), per label.

#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/label_sums.hpp"

namespace mlkit::quality {

/// Exact sums of p over one label's known positives and known negatives; sums of parts of the data add up.
struct SideSums {
    WideSum positive, negative;
};

namespace detail {

class SideSummer {
  public:
    explicit SideSummer(Index n_labels) : all_(n_labels), positive_(n_labels), unknown_(n_labels) {}

    template <class Row>
    void add(const LabelRow& labels, const Row& scores, Background background) {
        for (LabelSums* sums : {&all_, &positive_, &unknown_}) sums->reserve(1);
        if (background == Background::unknown) {
            for_each_stored_label(labels, scores, [&](std::int32_t label, int given, double p) {
                all_.add(label, p);
                if (given) positive_.add(label, p);
            });
            return;
        }
        add_all(scores);
        Index at = 0;
        for (Index k = 0; k < labels.size; ++k) {
            const std::int32_t label = labels.labels[k];
            const double p = score_at(scores, label, at);
            if (labels.value(k) > 0) positive_.add(label, p);
            if (labels.value(k) < 0) unknown_.add(label, p);
        }
    }

    SideSums result(Index label) {
        const WideSum known = all_.wide(label).minus(unknown_.wide(label));
        const WideSum positive = positive_.wide(label).canonical();
        return {positive, known.minus(positive)};
    }
    void finish() {
        for (LabelSums* sums : {&all_, &positive_, &unknown_}) sums->spill();
    }

  private:
    void add_all(const DenseRow& row) { all_.add_row(row.p, row.size); }
    void add_all(const SparseRow& row) {
        for (Index k = 0; k < row.size; ++k) all_.add(row.labels[k], row.p[k]);
    }

    LabelSums all_, positive_, unknown_;  // negatives = all - positives - unknown: one vectorised sum instead of two
};

}  // namespace detail

/// One pass; memory O(labels x threads). Scores that a sparse row does not store are 0 and add nothing.
inline std::vector<SideSums> side_sums(const Cells& cells, const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    const Index n_labels = cells.labels.n_labels;
    std::vector<detail::SideSummer> summers(static_cast<std::size_t>(team.n_threads), detail::SideSummer(n_labels));
    for_each_row(cells, team, [&](int thread, Index, const LabelRow& labels, const auto& scores) {
        summers[static_cast<std::size_t>(thread)].add(labels, scores, cells.labels.background);
    });
    std::vector<SideSums> total(static_cast<std::size_t>(n_labels));
    for (auto& summer : summers) {
        summer.finish();
        for (Index j = 0; j < n_labels; ++j) {
            const SideSums part = summer.result(j);
            total[static_cast<std::size_t>(j)].positive.add(part.positive);
            total[static_cast<std::size_t>(j)].negative.add(part.negative);
        }
    }
    for (SideSums& sums : total) sums = {sums.positive.canonical(), sums.negative.canonical()};
    return total;
}

/// The mean of the side's own probability, at least 2e-6; 2 (out of reach) for a side without examples.
inline void thresholds_from_sums(const std::vector<SideSums>& sums, const Index* n_positive, const Index* n_negative,
                                 double* thresholds /* (labels, 2) */) {
    constexpr double lowest = 2e-6, out_of_reach = 2.0;
    for (std::size_t j = 0; j < sums.size(); ++j) {
        const auto positives = static_cast<double>(n_positive[j]), negatives = static_cast<double>(n_negative[j]);
        WideSum absent{n_negative[j] << 8, 0};  // n_negative in units of 2^-40: the sum of 1 - p is exact
        absent = absent.minus(sums[j].negative);
        thresholds[2 * j] = negatives > 0 ? std::max(absent.value() / negatives, lowest) : out_of_reach;
        thresholds[2 * j + 1] = positives > 0 ? std::max(sums[j].positive.value() / positives, lowest) : out_of_reach;
    }
}

}  // namespace mlkit::quality
