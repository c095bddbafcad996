#pragma once
// The confident joint of each label: counts of (given, confidently guessed), and its calibration to the label's counts.
// Northcutt, Jiang, Chuang, JAIR 2021, Eqs. (1)-(3), one 2x2 problem per label.

#include <array>
#include <cmath>
#include <vector>

#include "mlkit/core/simd.hpp"
#include "mlkit/core/strips.hpp"
#include "mlkit/quality/doubt.hpp"

namespace mlkit::quality {

/// counts[given][guessed]
using Joint = std::array<std::array<Index, 2>, 2>;

/// A cell is guessed 1 from `one` upwards and 0 from `zero` downwards (see cuts.hpp); between them there is no guess.
struct GuessCuts {
    const double* one;   ///< (labels,) smallest p that is guessed 1
    const double* zero;  ///< (labels,) largest p that is guessed 0
};

class JointCounter {
  public:
    JointCounter(const Cells& cells, GuessCuts cuts)
        : n_labels_(static_cast<std::size_t>(cells.labels.n_labels)),
          one_(repeated(cuts.one, cells)),
          zero_(repeated(cuts.zero, cells)),
          negative_one_(one_.size()),
          negative_zero_(one_.size()),
          positive_one_(n_labels_),
          positive_zero_(n_labels_),
          seen_negative_(n_labels_) {}

    template <class Row>
    void add(const Strip<Row>& strip, Background background) {
        constexpr bool is_sparse = std::is_same_v<Row, SparseRow>;
        if (background == Background::negative) add_as_negatives(strip.scores);
        for (Index k = 0; k < strip.stored.size; ++k) {
            const auto j = static_cast<std::size_t>(strip.stored.labels[k]);
            const int given = strip.stored.value(k);
            const double p = strip.stored.p[k];
            const bool counted = background == Background::negative && (!is_sparse || p > 0);
            const Index positive = given > 0, negative = Index{given == 0} - Index{counted};
            const Index one = p >= one_[j], zero = p <= zero_[j];
            positive_one_[j] += positive * one;
            positive_zero_[j] += positive * zero;
            negative_one_[j] += negative * one;
            negative_zero_[j] += negative * zero;
            seen_negative_[j] += negative;
        }
    }

    /// Adds this counter to `joint`; returns how many negatives of sparse rows it saw one by one.
    Index add_to(Joint& joint, std::size_t j) const {
        for (std::size_t k = j; k < one_.size(); k += n_labels_) {
            joint[0][0] += negative_zero_[k];
            joint[0][1] += negative_one_[k];
        }
        joint[1][0] += positive_zero_[j];
        joint[1][1] += positive_one_[j];
        return seen_negative_[j];
    }

  private:
    /// Counts all scores as if nothing were given; stored labels are put where they belong afterwards.
    void add_as_negatives(const DenseRow& scores) {
        simd::count_guesses(negative_one_.data(), negative_zero_.data(), scores.p, one_.data(), zero_.data(),
                            scores.size);
    }
    void add_as_negatives(const SparseRow& row) {
        for (Index c = 0; c < row.size; ++c) {
            const auto j = static_cast<std::size_t>(row.labels[c]);
            const Index counted = row.p[c] > 0;  // a stored 0 is as good as none
            negative_one_[j] += counted & (row.p[c] >= one_[j]);
            negative_zero_[j] += counted & (row.p[c] <= zero_[j]);
            seen_negative_[j] += counted;
        }
    }

    std::size_t n_labels_;
    std::vector<double> one_, zero_;                   // by row of the strip and label
    std::vector<Index> negative_one_, negative_zero_;  // by row of the strip and label
    std::vector<Index> positive_one_, positive_zero_, seen_negative_;
};

/// Raw counts (diagonal not yet clipped to 1) in one pass, and on the same pass the histogram of doubted cells when
/// `histogram` is not null. `n_negative` counts each label's known negatives: those that a sparse row does not store
/// have p = 0 and are counted here without being visited.
inline std::vector<Joint> confident_joint(const Cells& cells, GuessCuts cuts, const Index* n_negative,
                                          DoubtHistogram* histogram, const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    const Index n_labels = cells.labels.n_labels;
    std::vector<JointCounter> counters(static_cast<std::size_t>(team.n_threads), JointCounter(cells, cuts));
    if (histogram) histogram->open(cells, team.n_threads);
    for_each_strip(cells, team, [&](int thread, const auto& strip) {
        counters[static_cast<std::size_t>(thread)].add(strip, cells.labels.background);
        if (histogram) histogram->add(thread, strip);
    });
    if (histogram) histogram->close();
    const bool has_implicit = std::holds_alternative<SparseScores>(cells.scores) && cells.background_is_negative();
    std::vector<Joint> joints(static_cast<std::size_t>(n_labels), Joint{});
    for (std::size_t j = 0; j < joints.size(); ++j) {
        Index seen = 0;
        for (const JointCounter& counter : counters) seen += counter.add_to(joints[j], j);
        if (has_implicit) {
            joints[j][0][0] += (0.0 <= cuts.zero[j]) * (n_negative[j] - seen);
            joints[j][0][1] += (0.0 >= cuts.one[j]) * (n_negative[j] - seen);
        }
    }
    return joints;
}

/// Rounds (a, b) to integers that keep the rounded sum: the entry with the larger (smaller) residual gives way, ties
/// to the second (first) entry.
inline std::array<Index, 2> round_keeping_sum(double a, double b) {
    std::array<double, 2> r{std::nearbyint(a), std::nearbyint(b)};
    const double sum = std::nearbyint(a + b);
    while (r[0] + r[1] < sum) r[(a - r[0]) > (b - r[1]) ? 0 : 1] += 1;
    while (r[0] + r[1] > sum) r[(a - r[0]) <= (b - r[1]) ? 0 : 1] -= 1;
    return {static_cast<Index>(r[0]), static_cast<Index>(r[1])};
}

/// Diagonal at least 1, then rows scaled to the counts of the given labels, the whole to their total, and rounded row
/// by row. The order of the additions is part of the result: it decides exact halves.
inline Joint calibrate_joint(Joint counts, Index n_negative, Index n_positive) {
    counts[0][0] = std::max<Index>(counts[0][0], 1);
    counts[1][1] = std::max<Index>(counts[1][1], 1);
    const double n[2] = {static_cast<double>(n_negative), static_cast<double>(n_positive)};
    double f[2][2];
    for (int i = 0; i < 2; ++i) {
        const auto sum = static_cast<double>(counts[i][0] + counts[i][1]);
        for (int g = 0; g < 2; ++g) f[i][g] = static_cast<double>(counts[i][g]) / std::max(sum, 1e-100) * n[i];
    }
    const double total = ((f[0][0] + f[1][0]) + f[0][1]) + f[1][1];
    Joint calibrated;
    for (int i = 0; i < 2; ++i) {
        for (int g = 0; g < 2; ++g) f[i][g] = f[i][g] / std::max(total, 1e-100) * (n[0] + n[1]);
        calibrated[i] = round_keeping_sum(f[i][0], f[i][1]);
    }
    return calibrated;
}

}  // namespace mlkit::quality
