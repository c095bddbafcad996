#pragma once
// Areas under ROC and precision-recall curves. Cells of equal score are one group, so a curve has one point for each
// distinct score; only groups that hold a positive say anything, the others lie on the way between two of them.

#include <cmath>
#include <limits>

#include "mlkit/metrics/columns.hpp"

namespace mlkit::metrics {

/// A group of equal scores with a positive: its own sums, and those of it and everything above it.
struct CurvePoint {
    double positive, negative;
    double positive_above, negative_above;  ///< this group included
};

/// A curve from the highest score down, and the sums of all cells.
struct Curve {
    std::vector<CurvePoint> points;
    double positive = 0.0, negative = 0.0;
};

enum CurveMeasure {
    curve_positive,
    curve_negative,
    curve_wins,
    curve_ties,
    curve_partial,
    curve_precision,
    curve_11_point,
    curve_101_point,
    curve_all_point,
    curve_r_precision,
    n_curve_measures
};

namespace detail {

/// Sum over pairs in which the positive has the higher score, up to so many negatives from the top; a tie counts half.
inline double partial_area(const Curve& curve, double most_negative) {
    double area = 0.0, hits = 0.0, at = 0.0;
    for (const CurvePoint& point : curve.points) {
        const double begin = point.negative_above - point.negative;
        area += hits * (std::min(begin, most_negative) - at);
        if (begin >= most_negative) return area;
        const double share = std::min(point.negative, most_negative - begin);
        const double gained = point.negative > 0.0 ? point.positive * (share / point.negative) : 0.0;
        area += share * (hits + 0.5 * gained);
        at = std::min(point.negative_above, most_negative);
        hits = point.positive_above;
        if (at >= most_negative) return area;
    }
    return area + hits * (most_negative - at);
}

inline double precision_at(const CurvePoint& point) {
    return point.positive_above / (point.positive_above + point.negative_above);
}

/// Mean over recalls 0, 1/n, ..., 1 of the best precision at that recall or more.
inline double interpolated(const Curve& curve, int n_steps) {
    double best = 0.0, total = 0.0;
    auto point = curve.points.rbegin();
    for (int step = n_steps; step >= 0; --step) {
        for (; point != curve.points.rend() && n_steps * point->positive_above >= step * curve.positive; ++point)
            best = std::max(best, precision_at(*point));
        total += best;
    }
    return total / (n_steps + 1);
}

}  // namespace detail

/// Fills out (n_curve_measures). `max_fpr` in (0, 1] limits the partial area. Without positives averages are 0.
inline void measure_curve(const Curve& curve, double max_fpr, double* out) {
    const double P = curve.positive, N = curve.negative;
    out[curve_positive] = P;
    out[curve_negative] = N;
    double wins = 0.0, ties = 0.0, precision = 0.0, envelope = 0.0, hits_within = 0.0, best = 0.0;
    for (auto point = curve.points.rbegin(); point != curve.points.rend(); ++point) {
        wins += point->positive * (N - point->negative_above);
        ties += point->positive * point->negative;
        precision += point->positive / P * detail::precision_at(*point);
        best = std::max(best, detail::precision_at(*point));
        envelope += point->positive / P * best;
        const double begin = point->positive_above + point->negative_above - point->positive - point->negative;
        if (begin < P)
            hits_within += point->positive * std::min(1.0, (P - begin) / (point->positive + point->negative));
    }
    out[curve_wins] = wins;
    out[curve_ties] = ties;
    out[curve_partial] = max_fpr < 1.0 ? detail::partial_area(curve, max_fpr * N) : wins + 0.5 * ties;
    out[curve_precision] = precision;
    out[curve_11_point] = P > 0.0 ? detail::interpolated(curve, 10) : 0.0;
    out[curve_101_point] = P > 0.0 ? detail::interpolated(curve, 100) : 0.0;
    out[curve_all_point] = envelope;
    out[curve_r_precision] = P > 0.0 ? hits_within / P : 0.0;
}

/// One thread's curve of one column; `Sum` as in LabelCounts.
template <class Sum>
class CurveTracer {
  public:
    explicit CurveTracer(RowWeights weights) : weights_(weights) {}

    const Curve& trace(const Column& column) {
        curve_.points.clear();
        Sum positive{}, negative{};
        bool zeros_are_due = column.n_zeros > 0;
        const auto close_group = [&](const Sum& group_positive, const Sum& group_negative) {
            add_to(positive, group_positive);
            add_to(negative, group_negative);
            const double p = in_units(group_positive);
            if (p > 0.0) curve_.points.push_back({p, in_units(group_negative), in_units(positive), in_units(negative)});
        };
        const auto add_zeros = [&](Sum& group_positive, Sum& group_negative) {
            zeros_are_due = false;
            Sum zero_positive{};
            for (Index k = 0; k < column.n_zero_positives; ++k)
                add_to(zero_positive, weights_[column.zero_positives[k]]);
            if constexpr (std::is_same_v<Sum, Index>)
                group_negative += column.n_zeros - zero_positive;
            else
                group_negative.add(column.zeros_weight.minus(zero_positive));
            add_to(group_positive, zero_positive);
        };
        for (Index begin = 0; begin < column.n_cells;) {
            const SortedCell first = column.cells[begin];
            Sum group_positive{}, group_negative{};
            if (zeros_are_due && column.is_below_zero(first)) {
                add_zeros(group_positive, group_negative);
                close_group(group_positive, group_negative);
                group_positive = group_negative = Sum{};
            }
            Index end = begin;
            do {
                const SortedCell cell = column.cells[end++];
                add_to(is_positive(cell) ? group_positive : group_negative, weights_[row_of(cell)]);
            } while (end < column.n_cells && column.same_score(first, column.cells[end]));
            if (zeros_are_due && column.is_zero(first)) add_zeros(group_positive, group_negative);
            close_group(group_positive, group_negative);
            begin = end;
        }
        if (zeros_are_due) {
            Sum group_positive{}, group_negative{};
            add_zeros(group_positive, group_negative);
            close_group(group_positive, group_negative);
        }
        curve_.positive = in_units(positive);
        curve_.negative = in_units(negative);
        return curve_;
    }

  private:
    RowWeights weights_;
    Curve curve_;
};

/// Fills out (n_labels, n_curve_measures). One sort of each column: O(cells) time, O(stored) on sparse scores.
template <class Sum>
void label_curves(const Cells& cells, RowWeights weights, double max_fpr, const Team& team, double* out) {
    std::vector<CurveTracer<Sum>> tracers(static_cast<std::size_t>(team.n_threads), CurveTracer<Sum>(weights));
    for_each_column(cells, weights, team, [&](int thread, const Column& column) {
        measure_curve(tracers[static_cast<std::size_t>(thread)].trace(column), max_fpr,
                      out + column.label * n_curve_measures);
    });
}

}  // namespace mlkit::metrics
