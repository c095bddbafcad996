#pragma once
// What the front doors need to know of raw numbers before any work is done: is one NaN, out of range, out of order?

#include <type_traits>

#include "mlkit/core/simd.hpp"
#include "mlkit/core/strips.hpp"

namespace mlkit {

/// What was seen outside [0, 1]. Extremes count only such values; places are the first in row-major order.
struct ScoreScan {
    double min = 0.0, max = 1.0;
    Index n_nan = 0, n_outside = 0;
    Index nan_row = -1, nan_label = -1;
    Index low_row = -1, low_label = -1;    ///< below the accepted range
    Index high_row = -1, high_label = -1;  ///< above it

    void merge(const ScoreScan& o) {
        min = std::min(min, o.min);
        max = std::max(max, o.max);
        n_nan += o.n_nan;
        n_outside += o.n_outside;
        first(nan_row, nan_label, o.nan_row, o.nan_label);
        first(low_row, low_label, o.low_row, o.low_label);
        first(high_row, high_label, o.high_row, o.high_label);
    }

  private:
    static void first(Index& row, Index& label, Index other_row, Index other_label) {
        if (other_row >= 0 && (row < 0 || other_row < row)) row = other_row, label = other_label;
    }
};

/// One pass; values below `low` <= 0 or above `high` >= 1 are located.
inline ScoreScan scan_scores(const Scores& scores, Index n_rows, Index n_labels, double low, double high,
                             const Team& whole_team) {
    const Cells cells{{n_rows, n_labels, nullptr, nullptr, nullptr, Background::negative}, scores};
    const Team team = whole_team.for_work(cells.n_read());
    std::vector<ScoreScan> scans(static_cast<std::size_t>(team.n_threads));
    for_each_strip(cells, team, [&](int thread, const auto& strip) {
        const auto& run = strip.scores;
        if (simd::count_in_unit(run.p, run.size) == run.size) return;
        ScoreScan& scan = scans[static_cast<std::size_t>(thread)];
        for (Index k = 0; k < run.size; ++k) {
            Index i = strip.first, label;
            if constexpr (std::is_same_v<std::decay_t<decltype(run)>, SparseRow>) {
                label = run.labels[k];
            } else {
                i += k / n_labels;
                label = k % n_labels;
            }
            const auto mark = [&](Index& at_row, Index& at_label) {
                if (at_row < 0) at_row = i, at_label = label;
            };
            const double p = run.p[k];
            if (p != p) {
                ++scan.n_nan;
                mark(scan.nan_row, scan.nan_label);
                continue;
            }
            scan.n_outside += p < 0.0 || p > 1.0;
            scan.min = std::min(scan.min, p);
            scan.max = std::max(scan.max, p);
            if (p < low) mark(scan.low_row, scan.low_label);
            if (p > high) mark(scan.high_row, scan.high_label);
        }
    });
    ScoreScan total;
    for (const ScoreScan& scan : scans) total.merge(scan);
    return total;
}

/// What is wrong with compressed rows; -1 where nothing is.
struct RowsScan {
    Index bad_indptr = -1;  ///< first row whose bounds decrease or leave the array
    Index bad_index = -1;   ///< position of the first column number outside [0, n_columns)
    Index unsorted = -1;    ///< first row whose column numbers do not ascend strictly
};

template <class ColumnIndex>
RowsScan scan_rows(const Index* indptr, const ColumnIndex* indices, Index n_rows, Index n_columns, Index n_stored,
                   const Team& whole_team) {
    RowsScan total;
    if (indptr[0] != 0) total.bad_indptr = 0;
    for (Index i = 0; i < n_rows && total.bad_indptr < 0; ++i)
        if (indptr[i + 1] < indptr[i] || indptr[i + 1] > n_stored) total.bad_indptr = i;
    if (total.bad_indptr >= 0) return total;
    const Team team = whole_team.for_work(n_stored);
    std::vector<RowsScan> scans(static_cast<std::size_t>(team.n_threads));
    for_each_range(n_rows, 1024, team, [&](Index begin, Index end, int thread) {
        RowsScan& scan = scans[static_cast<std::size_t>(thread)];
        for (Index i = begin; i < end; ++i) {
            for (Index k = indptr[i]; k < indptr[i + 1]; ++k) {
                const auto column = static_cast<Index>(indices[k]);
                if (scan.bad_index < 0 && (column < 0 || column >= n_columns)) scan.bad_index = k;
                if (scan.unsorted < 0 && k > indptr[i] && indices[k] <= indices[k - 1]) scan.unsorted = i;
            }
        }
    });
    const auto first = [](Index& a, Index b) {
        if (b >= 0 && (a < 0 || b < a)) a = b;
    };
    for (const RowsScan& scan : scans) {
        first(total.bad_index, scan.bad_index);
        first(total.unsorted, scan.unsorted);
    }
    return total;
}

}  // namespace mlkit
