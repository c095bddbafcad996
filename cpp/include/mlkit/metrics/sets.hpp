#pragma once
// Counts behind every metric of label sets: per label and per row, how many known cells are positive, predicted, both.
// Rows of truth and prediction are merged, so that the work grows with what is stored.

#include <limits>
#include <variant>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/simd.hpp"
#include "mlkit/metrics/weights.hpp"

namespace mlkit::metrics {

/// Known cells of one row.
struct RowCounts {
    std::int32_t hits = 0, predicted = 0, positive = 0, known = 0;
};

/// The same per label, summed over rows; `Sum` is Index without weights and WideSum with them.
template <class Sum>
struct LabelCounts {
    std::vector<Sum> hits, predicted, positive, known;

    explicit LabelCounts(Index n_labels)
        : hits(static_cast<std::size_t>(n_labels)), predicted(hits), positive(hits), known(hits) {}

    void merge(const LabelCounts& other) {
        for (std::size_t j = 0; j < hits.size(); ++j) {
            add_to(hits[j], other.hits[j]);
            add_to(predicted[j], other.predicted[j]);
            add_to(positive[j], other.positive[j]);
            add_to(known[j], other.known[j]);
        }
    }
};

/// Predicted labels of a row, ascending.
struct PredictedRow {
    const std::int32_t* labels;
    Index size;
};

/// Merges one row: visit(label, value, is_predicted) for each cell that is stored in the truth or predicted, ascending;
/// value is 1, 0 or -1 (unknown).
template <class Visit>
void merge_row(const LabelRow& truth, int background, const PredictedRow& predicted, Visit&& visit) {
    Index t = 0, p = 0;
    while (t < truth.size || p < predicted.size) {
        const std::int32_t none = std::numeric_limits<std::int32_t>::max();
        const std::int32_t given = t < truth.size ? truth.labels[t] : none;
        const std::int32_t guess = p < predicted.size ? predicted.labels[p] : none;
        if (given < guess)
            visit(given, truth.value(t++), false);
        else if (guess < given)
            visit(guess, background, true), ++p;
        else
            visit(given, truth.value(t++), true), ++p;
    }
}

/// Calls body(thread, i, truth_row, predicted_row) for every row of a prediction that is given as labels.
template <class Body>
void for_each_predicted_row(const LabelView& truth, const LabelView& predicted, const Team& team, Body&& body) {
    for_each_range(truth.n_rows, 1024, team, [&](Index begin, Index end, int thread) {
        for (Index i = begin; i < end; ++i) {
            const LabelRow row = predicted.row(i);
            body(thread, i, truth.row(i), PredictedRow{row.labels, row.size});
        }
    });
}

namespace detail {

/// One thread's list of the labels whose score reaches their cut.
class Thresholder {
  public:
    Thresholder(const double* cut, Index n_labels)
        : cut_(cut), n_labels_(n_labels), hits_(static_cast<std::size_t>(n_labels) + 8), marks_(hits_.size()) {
        for (Index j = 0; j < n_labels; ++j)
            if (cut[j] <= 0.0) by_default_.push_back(static_cast<std::int32_t>(j));
    }

    PredictedRow operator()(const DenseRow& row) {
        return {hits_.data(), simd::find_at_least(row.p, cut_, row.size, marks_.data(), hits_.data())};
    }
    PredictedRow operator()(const SparseRow& row) {
        Index n = 0, d = 0;
        const auto n_default = static_cast<Index>(by_default_.size());
        const auto take_defaults_before = [&](std::int32_t label) {  // labels that a score of 0 is enough for
            while (d < n_default && by_default_[static_cast<std::size_t>(d)] < label)
                hits_[static_cast<std::size_t>(n++)] = by_default_[static_cast<std::size_t>(d++)];
        };
        for (Index k = 0; k < row.size; ++k) {
            const std::int32_t label = row.labels[k];
            take_defaults_before(label);
            if (d < n_default && by_default_[static_cast<std::size_t>(d)] == label) ++d;
            if (row.p[k] >= cut_[label]) hits_[static_cast<std::size_t>(n++)] = label;
        }
        take_defaults_before(static_cast<std::int32_t>(n_labels_));
        return {hits_.data(), n};
    }

  private:
    const double* cut_;
    Index n_labels_;
    std::vector<std::int32_t> hits_, by_default_;
    std::vector<std::uint8_t> marks_;
};

}  // namespace detail

/// The same for scores: predicted is what reaches the label's cut.
template <class Body>
void for_each_predicted_row(const Cells& cells, const double* cut, const Team& team, Body&& body) {
    std::vector<detail::Thresholder> rows(static_cast<std::size_t>(team.n_threads),
                                          detail::Thresholder(cut, cells.labels.n_labels));
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& truth, const auto& scores) {
        body(thread, i, truth, rows[static_cast<std::size_t>(thread)](scores));
    });
}

/// Counts of all labels, and of all rows where `rows` is not null. `walk(team, body)` is one of the two walks above.
template <class Sum, class Walk>
LabelCounts<Sum> count_cells(const LabelView& truth, Walk&& walk, RowWeights weights, const Team& team,
                             RowCounts* rows) {
    const int background = truth.background == Background::negative ? 0 : -1;
    struct Mine {
        LabelCounts<Sum> labels;
        Sum total{};
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads), Mine{LabelCounts<Sum>(truth.n_labels), Sum{}});
    walk(team, [&](int thread, Index i, const LabelRow& row, const PredictedRow& predicted) {
        Mine& to = mine[static_cast<std::size_t>(thread)];
        const std::uint64_t w = weights[i];
        RowCounts counts;
        merge_row(row, background, predicted, [&](std::int32_t label, int value, bool is_predicted) {
            const auto j = static_cast<std::size_t>(label);
            if (value < 0) {  // against a negative background `known` counts the unknown until the end
                if (background == 0) add_to(to.labels.known[j], w), ++counts.known;
                return;
            }
            if (background < 0) add_to(to.labels.known[j], w), ++counts.known;
            counts.positive += value;
            counts.predicted += is_predicted;
            counts.hits += value & static_cast<int>(is_predicted);
            if (value) add_to(to.labels.positive[j], w);
            if (is_predicted) add_to(to.labels.predicted[j], w);
            if (value && is_predicted) add_to(to.labels.hits[j], w);
        });
        if (background == 0) counts.known = static_cast<std::int32_t>(truth.n_labels) - counts.known;
        if (rows) rows[i] = counts;
        add_to(to.total, w);
    });
    Mine total = std::move(mine[0]);
    for (std::size_t t = 1; t < mine.size(); ++t) {
        total.labels.merge(mine[t].labels);
        add_to(total.total, mine[t].total);
    }
    if (background == 0)
        for (Sum& known : total.labels.known) {
            if constexpr (std::is_same_v<Sum, Index>)
                known = total.total - known;
            else
                known = total.total.minus(known);
        }
    return std::move(total.labels);
}

/// out[i, m] = sum over row i's known cells of hits * c[label, m, 0] + predicted * c[label, m, 1]
/// + positive * c[label, m, 2]: the influence of each row on averages over labels.
template <class Walk>
void sum_influences(const LabelView& truth, Walk&& walk, const double* c, Index n_measures, const Team& team,
                    double* out) {
    const int background = truth.background == Background::negative ? 0 : -1;
    walk(team, [&](int, Index i, const LabelRow& row, const PredictedRow& predicted) {
        double* to = out + i * n_measures;
        for (Index m = 0; m < n_measures; ++m) to[m] = 0.0;
        merge_row(row, background, predicted, [&](std::int32_t label, int value, bool is_predicted) {
            if (value < 0) return;
            const double* of_label = c + 3 * n_measures * label;
            for (Index m = 0; m < n_measures; ++m) {
                const double* of = of_label + 3 * m;
                if (value && is_predicted) to[m] += of[0];
                if (is_predicted) to[m] += of[1];
                if (value) to[m] += of[2];
            }
        });
    });
}

}  // namespace mlkit::metrics
