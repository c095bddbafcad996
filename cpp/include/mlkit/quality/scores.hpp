#pragma once
// How plausible the given label of one cell is: low = suspicious.

#include <algorithm>
#include <cmath>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/simd.hpp"
#include "mlkit/quality/doubt.hpp"

namespace mlkit::quality {

enum class CellScore {
    self_confidence,              ///< also the normalised margin: with two outcomes they are one number
    confidence_weighted_entropy,  ///< Kuan and Mueller, "Model-agnostic label quality scoring", 2022
    error_posterior               ///< 1 - P(the given value is wrong), from the label's flip rates
};

/// Scores one cell. `parameters` are two numbers a label: for error_posterior its flip rates P(given 0 | true 1) and
/// P(given 1 | true 0), see noise_rates.hpp; for the others, where given, confident thresholds that shift each label's
/// probabilities so that rare labels do not look suspicious as such: s' = (s - t_given + t_max) / (1 - t_0 - t_1 + 2
/// t_max).
class CellScorer {
  public:
    CellScorer(CellScore kind, const double* parameters)
        : kind_(kind),
          thresholds_(kind == CellScore::error_posterior ? nullptr : parameters),
          flip_rates_(kind == CellScore::error_posterior ? parameters : nullptr) {}

    bool is_adjusted() const { return thresholds_ != nullptr; }

    double operator()(Index label, int given, double p) const {
        if (kind_ == CellScore::error_posterior) return posterior(label, given, p);
        if (kind_ != CellScore::self_confidence) return entropy_score(given, p);
        const double s = self_confidence(given, p);
        return thresholds_ ? adjust(s, label, given) : s;
    }

    /// The scores of a whole row as if every label were given 0.
    void absent_row(const DenseRow& row, double* out) const {
        if (kind_ != CellScore::self_confidence) {
            for (Index j = 0; j < row.size; ++j) out[j] = (*this)(j, 0, row.p[j]);
            return;
        }
        simd::complement(row.p, out, row.size);
        if (thresholds_)
            for (Index j = 0; j < row.size; ++j) out[j] = adjust(out[j], j, 0);
    }

    /// The score of a cell that is neither given nor scored.
    double background(Index label) const { return (*this)(label, 0, 0.0); }

  private:
    double posterior(Index label, int given, double p) const {
        const double missing = flip_rates_[2 * label], spurious = flip_rates_[2 * label + 1];
        const double g = p * (1 - missing) + (1 - p) * spurious;
        const double right = given ? p * (1 - missing) : (1 - p) * (1 - spurious);
        const double all = given ? g : 1 - g;
        return all > 0 ? std::min(1.0, right / all) : 1.0;
    }

    double adjust(double s, Index label, int given) const {
        const double* t = thresholds_ + 2 * label;
        const double t_max = std::max(t[0], t[1]);
        const double adjusted = (s - t[given] + t_max) / (1.0 - t[0] - t[1] + 2.0 * t_max);
        return std::clamp(adjusted, 0.0, 1.0);  // rounding
    }

    double entropy_score(int given, double p) const {
        constexpr double ln2 = 0.69314718055994531;
        const double s = self_confidence(given, p), other = given ? 1.0 - p : p;
        if (s <= 0) return 0.0;
        if (other <= 0) return 1.0;
        // entropy / s in bits: the smaller of the two is exact, so the logarithm of the larger is log1p of it; divided
        // early where s is small enough to underflow
        const double ratio = s <= other ? (-std::log(s) - (1.0 - s) * (std::log1p(-s) / s)) / ln2
                                        : -(other * std::log(other) + (1.0 - other) * std::log1p(-other)) / ln2 / s;
        return ratio > 0 ? std::log1p(ratio) / ratio : 1.0;
    }

    CellScore kind_;
    const double* thresholds_;
    const double* flip_rates_;
};

/// visit(label, given, p) for the cells of a row that are known and either given or scored above 0; labels ascending.
template <class Visit>
void for_each_explicit_cell(const LabelRow& labels, const DenseRow& row, Background background, Visit&& visit) {
    if (background == Background::unknown) return for_each_stored_label(labels, row, visit);
    Index k = 0;
    for (Index j = 0; j < row.size; ++j) {
        int given = 0;
        if (k < labels.size && labels.labels[k] == j) given = labels.value(k++);
        if (given > 0 || (given == 0 && row.p[j] > 0)) visit(static_cast<std::int32_t>(j), given, row.p[j]);
    }
}
template <class Visit>
void for_each_explicit_cell(const LabelRow& labels, const SparseRow& row, Background background, Visit&& visit) {
    if (background == Background::unknown) return for_each_stored_label(labels, row, visit);
    Index k = 0, c = 0;
    while (k < labels.size || c < row.size) {
        const std::int32_t a = k < labels.size ? labels.labels[k] : INT32_MAX;
        const std::int32_t b = c < row.size ? row.labels[c] : INT32_MAX;
        const std::int32_t label = std::min(a, b);
        const int given = a == label ? labels.value(k++) : 0;
        const double p = b == label ? row.p[c++] : 0.0;
        if (given > 0 || (given == 0 && p > 0)) visit(label, given, p);
    }
}

/// How many cells of a row are known.
inline Index count_known(const LabelRow& labels, Index n_labels, Background background) {
    Index unknown = 0;
    if (labels.values)
        for (Index k = 0; k < labels.size; ++k) unknown += labels.values[k] < 0;
    return (background == Background::unknown ? labels.size : n_labels) - unknown;
}

/// Scores of all cells of a row, NaN where unknown, into `out` (n_labels).
template <class Row>
void score_row(const CellScorer& scorer, const LabelRow& labels, const Row& row, Index n_labels, Background background,
               double* out) {
    if (background == Background::unknown) {
        std::fill(out, out + n_labels, std::nan(""));
    } else if constexpr (std::is_same_v<Row, DenseRow>) {
        scorer.absent_row(row, out);
    } else {
        for (Index j = 0; j < n_labels; ++j) out[j] = scorer.background(j);
        for (Index c = 0; c < row.size; ++c) out[row.labels[c]] = scorer(row.labels[c], 0, row.p[c]);
    }
    Index at = 0;
    for (Index k = 0; k < labels.size; ++k) {
        const std::int32_t label = labels.labels[k];
        const double p = score_at(row, label, at);
        out[label] = labels.value(k) < 0 ? std::nan("") : scorer(label, labels.value(k), p);
    }
}

/// The scores of all cells, NaN where unknown, into `out` (n_rows, n_labels).
inline void cell_scores(const Cells& cells, const CellScorer& scorer, const Team& team, double* out) {
    const Index n_labels = cells.labels.n_labels;
    for_each_row(cells, team.for_work(cells.labels.n_rows * n_labels),
                 [&](int, Index i, const LabelRow& labels, const auto& row) {
                     score_row(scorer, labels, row, n_labels, cells.labels.background, out + i * n_labels);
                 });
}

}  // namespace mlkit::quality
