#pragma once
// Confident thresholds: the mean probability that the model gives to a label where it is given (side 1), and to its
// absence where it is not (side 0). Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021, Eq. (2), per label.

#include <vector>

#include "mlkit/core/label_sums.hpp"
#include "mlkit/core/strips.hpp"

namespace mlkit::quality {

/// Exact sums of p over one label's known positives and known negatives; sums of parts of the data add up.
struct SideSums {
    WideSum positive, negative;
};

namespace detail {

class SideSummer {
  public:
    explicit SideSummer(const Cells& cells)
        : n_labels_(cells.labels.n_labels),
          strip_rows_(strip_rows(cells)),
          all_(strip_rows_ * n_labels_),
          positive_(n_labels_),
          unknown_(n_labels_) {}

    template <class Row>
    void add(const Strip<Row>& strip, Background background) {
        for (LabelSums* sums : {&all_, &positive_, &unknown_}) sums->reserve(strip.n_rows);
        const StoredCells& stored = strip.stored;
        if (background == Background::negative) add_all(strip.scores);
        for (Index k = 0; k < stored.size; ++k) {
            const int given = stored.value(k);
            if (background == Background::unknown) all_.add(stored.labels[k], stored.p[k]);
            if (given > 0) positive_.add(stored.labels[k], stored.p[k]);
            if (given < 0) unknown_.add(stored.labels[k], stored.p[k]);
        }
    }

    SideSums result(Index label) {
        WideSum all;
        for (Index r = 0; r < strip_rows_; ++r) all.add(all_.wide(r * n_labels_ + label));
        const WideSum known = all.minus(unknown_.wide(label));
        const WideSum positive = positive_.wide(label).canonical();
        return {positive, known.minus(positive)};
    }
    void finish() {
        for (LabelSums* sums : {&all_, &positive_, &unknown_}) sums->spill();
    }

  private:
    void add_all(const DenseRow& scores) { all_.add_row(scores.p, scores.size); }
    void add_all(const SparseRow& row) {
        for (Index k = 0; k < row.size; ++k) all_.add(row.labels[k], row.p[k]);
    }

    Index n_labels_, strip_rows_;
    LabelSums all_;                 // by row of the strip and label
    LabelSums positive_, unknown_;  // negatives = all - positives - unknown: one vectorised sum instead of two
};

}  // namespace detail

/// One pass; memory O(labels x threads). Scores that a sparse row does not store are 0 and add nothing.
inline std::vector<SideSums> side_sums(const Cells& cells, const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    const Index n_labels = cells.labels.n_labels;
    std::vector<detail::SideSummer> summers(static_cast<std::size_t>(team.n_threads), detail::SideSummer(cells));
    for_each_strip(cells, team, [&](int thread, const auto& strip) {
        summers[static_cast<std::size_t>(thread)].add(strip, cells.labels.background);
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
