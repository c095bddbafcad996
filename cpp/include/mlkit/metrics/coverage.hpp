#pragma once
// How far down a row's ranking its last positive is: the known cells that reach its lowest positive score. Of all
// measures of ranks the only one that needs no order, and so one pass.

#include <algorithm>
#include <limits>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/simd.hpp"

namespace mlkit::metrics {

enum CoverageColumn { cover_positive, cover_known, cover_depth, n_cover_columns };

namespace detail {

inline Index count_reaching(const DenseRow& row, Index /*n_labels*/, double low) {
    return simd::count_at_least(row.p, row.size, low);
}
inline Index count_reaching(const SparseRow& row, Index n_labels, double low) {
    return simd::count_at_least(row.p, row.size, low) + (low <= 0.0 ? n_labels - row.size : 0);
}

}  // namespace detail

/// Fills out (n, n_cover_columns); ties are at the worst rank, the depth of a row without a positive is 0.
inline void cover_rows(const Cells& cells, const Team& whole_team, double* out) {
    const Team team = whole_team.for_work(cells.n_read());
    const Index n_labels = cells.labels.n_labels;
    const bool is_negative = cells.background_is_negative();
    for_each_row(cells, team, [&](int, Index i, const LabelRow& labels, const auto& scores) {
        Index n_positive = 0, n_known = 0, n_unknown = 0, at = 0;
        double low = std::numeric_limits<double>::infinity();
        for (Index k = 0; k < labels.size; ++k) {
            const int value = labels.value(k);
            n_known += value >= 0;
            n_unknown += value < 0;
            if (value != 1) continue;
            ++n_positive;
            low = std::min(low, score_at(scores, labels.labels[k], at));
        }
        Index depth = 0;
        if (n_positive > 0) {
            if (is_negative) depth = detail::count_reaching(scores, n_labels, low);
            const bool wanted = !is_negative;  // of the listed cells either the unknown leave or the known join
            if (wanted || n_unknown > 0) {
                at = 0;
                for (Index k = 0; k < labels.size; ++k)
                    if ((labels.value(k) >= 0) == wanted)
                        depth += (wanted ? 1 : -1) * (score_at(scores, labels.labels[k], at) >= low);
            }
        }
        double* to = out + i * n_cover_columns;
        to[cover_positive] = static_cast<double>(n_positive);
        to[cover_known] = static_cast<double>(is_negative ? n_labels - n_unknown : n_known);
        to[cover_depth] = static_cast<double>(depth);
    });
}

}  // namespace mlkit::metrics
