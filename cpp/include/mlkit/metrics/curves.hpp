#pragma once
// Areas under ROC and precision-recall curves. Cells of equal score are one group, so a curve has one point for each
// distinct score; only groups that hold a positive say anything, the others lie on the way between two of them.

#include <cmath>
#include <limits>

#include "mlkit/metrics/columns.hpp"
#include "mlkit/metrics/key_table.hpp"
#include "mlkit/metrics/weights.hpp"

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

/// Sums over the known cells by their place among the distinct scores of positives: of all, and of the positives of
/// each such score. `Sum` as in LabelCounts.
template <class Sum>
struct PlaceSums {
    std::vector<Sum> known, positive;

    void clear(Index n_keys) {
        known.assign(static_cast<std::size_t>(2 * n_keys + 1), Sum{});
        positive.assign(static_cast<std::size_t>(n_keys), Sum{});
    }
    void merge(const PlaceSums& other) {
        for (std::size_t g = 0; g < known.size(); ++g) add_to(known[g], other.known[g]);
        for (std::size_t g = 0; g < positive.size(); ++g) add_to(positive[g], other.positive[g]);
    }
    void trace(Curve& curve) const {
        curve.points.clear();
        curve.points.reserve(positive.size());
        Sum all{}, hits{};
        for (std::size_t g = positive.size(); g-- > 0;) {  // from the highest score down
            add_to(all, known[2 * g + 2]);
            add_to(all, known[2 * g + 1]);
            add_to(hits, positive[g]);
            const double p = in_units(positive[g]), tied = in_units(known[2 * g + 1]);
            if (p > 0.0) curve.points.push_back({p, tied - p, in_units(hits), in_units(all) - in_units(hits)});
        }
        add_to(all, known[0]);
        curve.positive = in_units(hits);
        curve.negative = in_units(all) - curve.positive;
    }
};

/// One thread's view of a column: where its cells fall among its positives' scores, and the sums there.
template <class Real, class Sum>
class ColumnPlacer {
  public:
    ColumnPlacer(RowWeights weights, Index n_rows) : weights_(weights) {
        for (Index i = 0; i < n_rows && weights.units; ++i) total_.add(weights[i]);
    }

    void place(const Column<Real>& column) {
        positive_scores_.clear();
        for (const std::int32_t cell : column.positive) positive_scores_.push_back(column.scores[cell]);
        if (!column.zero_positive.empty()) positive_scores_.push_back(Real{0});
        table_.build(positive_scores_);
        places_.resize(static_cast<std::size_t>(column.size));
        table_.find(column.scores, column.size, places_.data());
        zero_ = table_.place(Real{0});
        sums_.clear(table_.n_keys());
        if constexpr (std::is_same_v<Sum, Index>) {
            count_places(places_.data(), column.size, table_.n_places(), scratch_, sums_.known.data());
            sums_.known[static_cast<std::size_t>(zero_)] += column.n_zeros;
        } else {
            WideSum zeros = column.lists_zeros ? WideSum{} : total_;
            for (Index k = 0; k < column.size; ++k) {
                const std::uint64_t w = weights_[column.row(k)];
                sums_.known[at(k)].add(w);
                if (!column.lists_zeros) subtract_from(zeros, w);
            }
            for (const std::int32_t row : column.zero_unknown)
                if (!column.lists_zeros) subtract_from(zeros, weights_[row]);
            for (const Numbers* rows : {&column.zero_positive, &column.zero_negative})
                for (const std::int32_t row : *rows)
                    if (column.lists_zeros) zeros.add(weights_[row]);
            sums_.known[static_cast<std::size_t>(zero_)].add(zeros);
        }
        for (const std::int32_t cell : column.unknown) subtract_from(sums_.known[at(cell)], weights_[column.row(cell)]);
        for (const std::int32_t cell : column.positive)
            add_to(sums_.positive[at(cell) / 2], weights_[column.row(cell)]);
        for (const std::int32_t row : column.zero_positive) add_to(sums_.positive[at_zero() / 2], weights_[row]);
        sums_.trace(curve_);
    }

    const Curve& curve() const { return curve_; }
    const PlaceSums<Sum>& sums() const { return sums_; }
    std::size_t at(Index cell) const { return static_cast<std::size_t>(places_[static_cast<std::size_t>(cell)]); }
    std::size_t at_zero() const { return static_cast<std::size_t>(zero_); }

  private:
    RowWeights weights_;
    WideSum total_;
    KeyTable<Real> table_;
    std::vector<Real> positive_scores_;
    std::vector<std::int32_t> places_;
    std::int32_t zero_ = 0;
    std::vector<std::uint32_t> scratch_;
    PlaceSums<Sum> sums_;
    Curve curve_;
};

/// Fills out (n_labels, n_curve_measures). The scores of a label's positives are sorted, each of its cells is searched
/// for among them: O(cells) time, O(stored) on sparse scores.
template <class Sum>
void label_curves(const Cells& cells, RowWeights weights, double max_fpr, const Team& whole_team, double* out) {
    const Team team = whole_team.for_work(8 * cells.n_read());
    with_stored_scores(cells, [&](auto stored) {
        using Placer = ColumnPlacer<RealOf<decltype(stored)>, Sum>;
        std::vector<Placer> placers(static_cast<std::size_t>(team.n_threads), Placer(weights, cells.labels.n_rows));
        for_each_column_as<decltype(stored)>(cells, team, [&](int thread, const auto& column) {
            Placer& placer = placers[static_cast<std::size_t>(thread)];
            placer.place(column);
            measure_curve(placer.curve(), max_fpr, out + column.label * n_curve_measures);
        });
    });
}

}  // namespace mlkit::metrics
