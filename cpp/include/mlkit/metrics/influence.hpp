#pragma once
// How much each row moves ROC AUC and average precision: the derivative of a label's area by the weight of a cell. The
// root of the sum of squares is the standard error, that of sums over labels too (DeLong's for a single AUC).

#include <algorithm>
#include <cmath>

#include "mlkit/metrics/curves.hpp"

namespace mlkit::metrics {

namespace detail {

/// Sums of influences of rows as whole multiples of 2^-48, so that labels can come in any order.
class RowInfluences {
  public:
    explicit RowInfluences(Index n_rows) : of_row_(static_cast<std::size_t>(n_rows), 0) {}

    void add(Index row, std::int64_t x) { of_row_[static_cast<std::size_t>(row)] += x; }
    void add_to_all(std::int64_t x) { of_all_ += x; }
    void merge(const RowInfluences& other) {
        of_all_ += other.of_all_;
        for (std::size_t i = 0; i < of_row_.size(); ++i) of_row_[i] += other.of_row_[i];
    }
    double value(Index row) const {
        return static_cast<double>(of_row_[static_cast<std::size_t>(row)] + of_all_) * 0x1p-48;
    }

    /// Bounds far beyond what a cell of sensible weight can do, and far from overflow; nothing of what has no value.
    static std::int64_t units(double x) {
        if (std::isnan(x)) return 0;
        return static_cast<std::int64_t>(std::min(std::max(x, -0x1p4), 0x1p4) * 0x1p48);
    }

  private:
    std::vector<std::int64_t> of_row_;
    std::int64_t of_all_ = 0;
};

/// Influence of a cell, over its weight, on the two areas.
struct CellInfluence {
    double auc = 0.0, precision = 0.0;
};

/// The influences of all cells of one curve. Points are those of the groups that hold a positive, best first.
class CurveInfluence {
  public:
    void prepare(const Curve& curve) {
        curve_ = &curve;
        const auto n = curve.points.size();
        reach_.assign(n + 1, 0.0);
        lost_.assign(n + 1, 0.0);
        double wins = 0.0, precision = 0.0;
        for (std::size_t g = n; g-- > 0;) {
            const CurvePoint& point = curve.points[g];
            const double all = point.positive_above + point.negative_above, of_group = precision_at(point);
            reach_[g] = reach_[g + 1] + point.positive / all;
            lost_[g] = lost_[g + 1] + point.positive * of_group / all;
            wins += point.positive * (curve.negative - point.negative_above + 0.5 * point.negative);
            precision += point.positive * of_group;
        }
        auc_ = wins / (curve.positive * curve.negative);
        precision_ = precision / curve.positive;
    }

    CellInfluence positive(std::size_t group) const {
        const CurvePoint& point = curve_->points[group];
        const double beaten = (curve_->negative - point.negative_above + 0.5 * point.negative) / curve_->negative;
        return {(beaten - auc_) / curve_->positive,
                (precision_at(point) - precision_ + reach_[group] - lost_[group]) / curve_->positive};
    }
    /// `next`: the first group at or below the cell's score; `is_tied`: at it.
    CellInfluence negative(std::size_t next, bool is_tied) const {
        double above = next > 0 ? curve_->points[next - 1].positive_above : 0.0;
        if (is_tied) above += 0.5 * curve_->points[next].positive;
        return {(above / curve_->positive - auc_) / curve_->negative, -lost_[next] / curve_->positive};
    }

  private:
    const Curve* curve_ = nullptr;
    std::vector<double> reach_, lost_;  // sums over positives at or below a group of 1 / K and of precision / K
    double auc_ = 0.0, precision_ = 0.0;
};

/// Cells of equal influence: a group of equal scores that holds a positive, or all negatives between two of those.
struct InfluenceGroup {
    CellInfluence positive, negative;
    Index begin, end;
    bool has_zeros;  ///< the cells that are not stored belong to it too
};

/// visit(group) for all cells of a column, best first.
template <class Visit>
void for_each_group(const Column& column, const CurveInfluence& influence, Visit&& visit) {
    std::size_t next = 0;
    Index run = 0;  // where the negatives begin that have not been visited
    bool run_has_zeros = false, zeros_are_due = column.n_zeros > 0;
    const auto close_run = [&](Index end) {
        if (end > run || run_has_zeros)
            visit(InfluenceGroup{CellInfluence{}, influence.negative(next, false), run, end, run_has_zeros});
        run_has_zeros = false;
    };
    const auto take_group = [&](Index begin, Index end, bool has_positive, bool with_zeros) {
        if (with_zeros) {
            zeros_are_due = false;
            has_positive |= column.n_zero_positives > 0;
        }
        if (!has_positive) {
            run_has_zeros |= with_zeros;
            return;
        }
        close_run(begin);
        visit(InfluenceGroup{influence.positive(next), influence.negative(next, true), begin, end, with_zeros});
        ++next;
        run = end;
    };
    for (Index begin = 0; begin < column.n_cells;) {
        const SortedCell first = column.cells[begin];
        if (zeros_are_due && column.is_below_zero(first)) take_group(begin, begin, false, true);
        Index end = begin + 1;
        bool has_positive = is_positive(first);
        for (; end < column.n_cells && column.same_score(first, column.cells[end]); ++end)
            has_positive |= is_positive(column.cells[end]);
        if (has_positive || (zeros_are_due && column.is_zero(first)))
            take_group(begin, end, has_positive, zeros_are_due && column.is_zero(first));
        begin = end;
    }
    if (zeros_are_due) take_group(column.n_cells, column.n_cells, false, true);
    close_run(column.n_cells);
}

/// Takes up the influences of one label's rows.
class LabelInfluences {
  public:
    LabelInfluences(const double* weights, Index n_rows) : weights_(weights), auc_(n_rows), precision_(n_rows) {
        for (Index i = 0; i < n_rows && weights; ++i) squares_ += square(i);
    }

    void add(const Column& column, const Curve& curve, const double* shares, double* variance) {
        variance[0] = variance[1] = std::numeric_limits<double>::quiet_NaN();
        if (curve.positive <= 0.0) return;
        influence_.prepare(curve);
        const bool has_auc = curve.negative > 0.0;
        auc_share_ = has_auc ? shares[0] : 0.0;
        share_ = shares[1];
        const bool has_silent = column.n_zeros > 0 && !column.zero_negatives;
        CellInfluence silent;  // a negative that is stored nowhere: taken from all rows, given back by those that speak
        if (has_silent)
            for_each_group(column, influence_, [&](const InfluenceGroup& group) {
                if (group.has_zeros) silent = group.negative;
            });
        const Shares of_silent = shares_of(silent);
        if (has_silent) {
            auc_.add_to_all(of_silent.auc);
            precision_.add_to_all(of_silent.precision);
            for (Index k = 0; k < column.n_unknown; ++k)
                take(column.unknown[k], {-of_silent.auc, -of_silent.precision});
        }
        double auc_sum = 0.0, sum = 0.0, spoken = 0.0;
        for_each_group(column, influence_, [&](const InfluenceGroup& group) {
            const Shares of_positive = shares_of(group.positive).less(of_silent);
            const Shares of_negative = shares_of(group.negative).less(of_silent);
            double positive = 0.0, negative = 0.0;  // squared weights
            const auto visit = [&](Index row, bool y) {
                (y ? positive : negative) += square(row);
                take(row, y ? of_positive : of_negative);
            };
            for (Index k = group.begin; k < group.end; ++k)
                visit(row_of(column.cells[k]), is_positive(column.cells[k]));
            if (group.has_zeros) {
                for (Index k = 0; k < column.n_zero_positives; ++k) visit(column.zero_positives[k], true);
                for (Index k = 0; k < column.n_zero_negatives && !has_silent; ++k)
                    visit(column.zero_negatives[k], false);
            }
            spoken += positive + negative;
            if (group.has_zeros && has_silent && !weights_)
                negative += static_cast<double>(column.n_zeros - column.n_zero_positives);
            auc_sum += positive * group.positive.auc * group.positive.auc;
            auc_sum += negative * group.negative.auc * group.negative.auc;
            sum += positive * group.positive.precision * group.positive.precision;
            sum += negative * group.negative.precision * group.negative.precision;
        });
        if (has_silent && weights_) {
            for (Index k = 0; k < column.n_unknown; ++k) spoken += square(column.unknown[k]);
            const double rest = std::max(0.0, squares_ - spoken);
            auc_sum += rest * silent.auc * silent.auc;
            sum += rest * silent.precision * silent.precision;
        }
        if (has_auc) variance[0] = auc_sum;
        variance[1] = sum;
    }

    void merge(const LabelInfluences& other) {
        auc_.merge(other.auc_);
        precision_.merge(other.precision_);
    }
    double auc(Index row) const { return auc_.value(row); }
    double precision(Index row) const { return precision_.value(row); }

  private:
    double square(Index row) const { return weights_ ? weights_[row] * weights_[row] : 1.0; }
    struct Shares {  // of one row, in units
        std::int64_t auc, precision;
        Shares less(const Shares& other) const { return {auc - other.auc, precision - other.precision}; }
    };
    Shares shares_of(const CellInfluence& of) const {
        return {RowInfluences::units(auc_share_ * of.auc), RowInfluences::units(share_ * of.precision)};
    }
    void take(Index row, const Shares& of) {
        auc_.add(row, of.auc);
        precision_.add(row, of.precision);
    }

    const double* weights_;
    double squares_ = 0.0, auc_share_ = 0.0, share_ = 0.0;
    CurveInfluence influence_;
    RowInfluences auc_, precision_;
};

}  // namespace detail

/// rows (n, 2): sums over labels of share[label] times the influence of a row, over its weight, on AUC and average
/// precision; variances (n_labels, 2): sums of squared influences of each label. `shares` (n_labels, 2). `weights` in
/// the same unit as `units`, or both null. Also fills out (n_labels, n_curve_measures): one sort serves all.
template <class Sum>
void curve_influences(const Cells& cells, RowWeights units, const double* weights, const double* shares,
                      const Team& whole_team, double* out, double* rows, double* variances) {
    const Index n = cells.labels.n_rows;
    const Team team = whole_team.for_work(8 * cells.n_read());
    const auto n_threads = static_cast<std::size_t>(team.n_threads);
    std::vector<CurveTracer<Sum>> tracers(n_threads, CurveTracer<Sum>(units));
    std::vector<detail::LabelInfluences> mine(n_threads, detail::LabelInfluences(weights, n));
    for_each_column(cells, units, team, [&](int thread, const Column& column) {
        const auto t = static_cast<std::size_t>(thread);
        const Curve& curve = tracers[t].trace(column);
        measure_curve(curve, 1.0, out + column.label * n_curve_measures);
        mine[t].add(column, curve, shares + 2 * column.label, variances + 2 * column.label);
    });
    for (std::size_t t = 1; t < n_threads; ++t) mine[0].merge(mine[t]);
    for (Index i = 0; i < n; ++i) {
        rows[2 * i] = mine[0].auc(i);
        rows[2 * i + 1] = mine[0].precision(i);
    }
}

}  // namespace mlkit::metrics
