#pragma once
// How much each row moves ROC AUC and average precision: the derivative of a label's area by the weight of a cell. The
// root of the sum of squares is the standard error, that of sums over labels too (DeLong's for a single AUC).

#include <algorithm>
#include <array>
#include <cmath>

#include "mlkit/metrics/curves.hpp"

namespace mlkit::metrics {

/// Sums over labels that rows have an influence on: two of ROC AUC, two of average precision.
enum AreaShare : std::size_t { share_auc, share_precision, share_auc_again, share_precision_again, n_shares };

namespace detail {

/// Influence of a row on sums over labels of areas, in units of 2^-48.
struct RowShare {
    std::array<std::int64_t, n_shares> of{};

    void add(const RowShare& other) {
        for (std::size_t m = 0; m < n_shares; ++m) of[m] += other.of[m];
    }
    RowShare minus(const RowShare& other) const {
        RowShare rest = *this;
        for (std::size_t m = 0; m < n_shares; ++m) rest.of[m] -= other.of[m];
        return rest;
    }
};

/// Sums of influences of rows as whole numbers, so that labels can come in any order.
class RowInfluences {
  public:
    explicit RowInfluences(Index n_rows) : of_row_(static_cast<std::size_t>(n_rows)) {}

    void add(Index row, const RowShare& share) { of_row_[static_cast<std::size_t>(row)].add(share); }
    void add_to_all(const RowShare& share) { of_all_.add(share); }
    void merge(const RowInfluences& other) {
        of_all_.add(other.of_all_);
        for (std::size_t i = 0; i < of_row_.size(); ++i) of_row_[i].add(other.of_row_[i]);
    }
    void give(Index row, double* to) const {
        RowShare sum = of_row_[static_cast<std::size_t>(row)];
        sum.add(of_all_);
        for (std::size_t m = 0; m < n_shares; ++m) to[m] = static_cast<double>(sum.of[m]) * 0x1p-48;
    }

    /// Bounds far beyond what a cell of sensible weight can do, and far from overflow; nothing of what has no value.
    static std::int64_t units(double x) {
        if (std::isnan(x)) return 0;
        return static_cast<std::int64_t>(std::min(std::max(x, -0x1p4), 0x1p4) * 0x1p48);
    }

  private:
    std::vector<RowShare> of_row_;
    RowShare of_all_;
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

/// Calls visit(g, between, tied, positive) for each distinct score of positives from the highest down: the influences
/// of negatives between it and the one above (place 2g + 2), of negatives and of positives at it; returns that of
/// negatives below all. A score whose rows weigh nothing is no point of the curve. See PlaceSums.
template <class Sum, class Visit>
CellInfluence walk_places(const CurveInfluence& of_points, const PlaceSums<Sum>& sums, Visit&& visit) {
    std::size_t next = 0;
    for (std::size_t g = sums.positive.size(); g-- > 0;) {
        const bool has_point = in_units(sums.positive[g]) > 0.0;
        visit(g, of_points.negative(next, false), of_points.negative(next, has_point),
              has_point ? of_points.positive(next) : CellInfluence{});
        next += has_point;
    }
    return of_points.negative(next, false);
}

/// The influences of all cells of a curve: of negatives by place, of positives by group.
class PlaceInfluences {
  public:
    std::vector<CellInfluence> negative, positive;

    template <class Sum>
    void fill(const Curve& curve, const PlaceSums<Sum>& sums) {
        of_points_.prepare(curve);
        negative.resize(sums.known.size());
        positive.resize(sums.positive.size());
        negative[0] = walk_places(of_points_, sums,
                                  [&](std::size_t g, const CellInfluence& between, const CellInfluence& tied,
                                      const CellInfluence& of_positives) {
                                      negative[2 * g + 2] = between;
                                      negative[2 * g + 1] = tied;
                                      positive[g] = of_positives;
                                  });
    }

  private:
    CurveInfluence of_points_;
};

/// Takes up the influences of one label's rows.
template <class Real, class Sum>
class LabelInfluences {
  public:
    LabelInfluences(const double* weights, Index n_rows) : weights_(weights), rows_(n_rows) {
        for (Index i = 0; i < n_rows && weights; ++i) squares_ += square(i);
    }

    void add(const Column<Real>& column, const ColumnPlacer<Real, Sum>& placer, const double* shares,
             double* variance) {
        variance[0] = variance[1] = std::numeric_limits<double>::quiet_NaN();
        const Curve& curve = placer.curve();
        if (curve.positive <= 0.0) return;
        const bool has_auc = curve.negative > 0.0;
        shares_ = {has_auc ? shares[share_auc] : 0.0, shares[share_precision], has_auc ? shares[share_auc_again] : 0.0,
                   shares[share_precision_again]};
        of_.fill(curve, placer.sums());
        const double rest = weigh(column, placer);
        double auc_sum = 0.0, sum = 0.0;
        const auto sum_up = [&](double squares, const CellInfluence& of) {
            auc_sum += squares * of.auc * of.auc;
            sum += squares * of.precision * of.precision;
        };
        for (std::size_t g = of_.positive.size(); g-- > 0;) {
            sum_up(negative_squares_[2 * g + 2], of_.negative[2 * g + 2]);
            sum_up(positive_squares_[g], of_.positive[g]);
            sum_up(negative_squares_[2 * g + 1], of_.negative[2 * g + 1]);
        }
        sum_up(negative_squares_[0], of_.negative[0]);
        sum_up(rest, of_.negative[placer.at_zero()]);
        if (has_auc) variance[0] = auc_sum;
        variance[1] = sum;
        give(column, placer);
    }

    void merge(const LabelInfluences& other) { rows_.merge(other.rows_); }
    const RowInfluences& rows() const { return rows_; }

  private:
    double square(Index row) const { return weights_ ? weights_[row] * weights_[row] : 1.0; }

    /// Squared weights of negatives by place and of positives by group. What is returned is that of negatives that
    /// nothing lists, unless it is there already.
    double weigh(const Column<Real>& column, const ColumnPlacer<Real, Sum>& placer) {
        const PlaceSums<Sum>& sums = placer.sums();
        if constexpr (std::is_same_v<Sum, Index>) {
            negative_squares_.assign(sums.known.begin(), sums.known.end());
            positive_squares_.assign(sums.positive.begin(), sums.positive.end());
            for (std::size_t g = 0; g < positive_squares_.size(); ++g)
                negative_squares_[2 * g + 1] -= positive_squares_[g];
            return 0.0;
        } else {
            negative_squares_.assign(sums.known.size(), 0.0);
            positive_squares_.assign(sums.positive.size(), 0.0);
            is_negative_.assign(static_cast<std::size_t>(column.size), true);
            for (const Numbers* cells : {&column.positive, &column.unknown})
                for (const std::int32_t cell : *cells) is_negative_[static_cast<std::size_t>(cell)] = false;
            double listed = 0.0;
            for (Index k = 0; k < column.size; ++k) {
                const double w = square(column.row(k));
                listed += w;
                if (is_negative_[static_cast<std::size_t>(k)]) negative_squares_[placer.at(k)] += w;
            }
            for (const std::int32_t cell : column.positive)
                positive_squares_[placer.at(cell) / 2] += square(column.row(cell));
            for (const std::int32_t row : column.zero_positive) {
                positive_squares_[placer.at_zero() / 2] += square(row);
                listed += square(row);
            }
            for (const std::int32_t row : column.zero_unknown) listed += square(row);
            for (const std::int32_t row : column.zero_negative)
                if (column.lists_zeros) negative_squares_[placer.at_zero()] += square(row);
            return column.lists_zeros || column.n_zeros == 0 ? 0.0 : std::max(0.0, squares_ - listed);
        }
    }

    /// A negative that nothing lists is taken up with all rows, and given back by those that are listed.
    void give(const Column<Real>& column, const ColumnPlacer<Real, Sum>& placer) {
        const auto units = [&](const CellInfluence& of) {
            RowShare share;
            for (std::size_t m = 0; m < n_shares; ++m)
                share.of[m] = RowInfluences::units(shares_[m] * (m % 2 == share_auc ? of.auc : of.precision));
            return share;
        };
        const bool has_silent = column.n_zeros > 0 && !column.lists_zeros;
        const RowShare silent = has_silent ? units(of_.negative[placer.at_zero()]) : RowShare{};
        negative_units_.clear();
        for (const CellInfluence& of : of_.negative) negative_units_.push_back(units(of).minus(silent));
        positive_units_.clear();
        for (const CellInfluence& of : of_.positive) positive_units_.push_back(units(of).minus(silent));
        if (has_silent) rows_.add_to_all(silent);
        for (Index k = 0; k < column.size; ++k) rows_.add(column.row(k), negative_units_[placer.at(k)]);
        for (const std::int32_t cell : column.positive)
            rows_.add(column.row(cell), positive_units_[placer.at(cell) / 2].minus(negative_units_[placer.at(cell)]));
        for (const std::int32_t cell : column.unknown)
            rows_.add(column.row(cell), RowShare{}.minus(silent).minus(negative_units_[placer.at(cell)]));
        for (const std::int32_t row : column.zero_positive) rows_.add(row, positive_units_[placer.at_zero() / 2]);
        if (has_silent)
            for (const std::int32_t row : column.zero_unknown) rows_.add(row, RowShare{}.minus(silent));
        if (column.lists_zeros)
            for (const std::int32_t row : column.zero_negative) rows_.add(row, negative_units_[placer.at_zero()]);
    }

    const double* weights_;
    double squares_ = 0.0;
    std::array<double, n_shares> shares_{};
    PlaceInfluences of_;
    std::vector<double> negative_squares_, positive_squares_;
    std::vector<RowShare> negative_units_, positive_units_;
    std::vector<std::uint8_t> is_negative_;
    RowInfluences rows_;
};

}  // namespace detail

/// rows (n, n_shares): sums over labels of shares (n_labels, n_shares) times the influence of a row, over its weight,
/// on AUC and average precision; variances (n_labels, 2): sums of squared influences of each label. `weights` in the
/// same unit as `units`, or both null. Also fills out (n_labels, n_curve_measures): one sort serves all.
template <class Sum>
void curve_influences(const Cells& cells, RowWeights units, const double* weights, const double* shares,
                      const Team& whole_team, double* out, double* rows, double* variances) {
    const Index n = cells.labels.n_rows;
    const Team team = whole_team.for_work(8 * cells.n_read());
    const auto n_threads = static_cast<std::size_t>(team.n_threads);
    with_stored_scores(cells, [&](auto stored) {
        using Placer = ColumnPlacer<RealOf<decltype(stored)>, Sum>;
        using Influences = detail::LabelInfluences<RealOf<decltype(stored)>, Sum>;
        std::vector<Placer> placers(n_threads, Placer(units, n));
        std::vector<Influences> mine(n_threads, Influences(weights, n));
        for_each_column_as<decltype(stored)>(cells, team, [&](int thread, const auto& column) {
            const auto t = static_cast<std::size_t>(thread);
            placers[t].place(column);
            measure_curve(placers[t].curve(), 1.0, out + column.label * n_curve_measures);
            mine[t].add(column, placers[t], shares + static_cast<Index>(n_shares) * column.label,
                        variances + 2 * column.label);
        });
        for (std::size_t t = 1; t < n_threads; ++t) mine[0].merge(mine[t]);
        for (Index i = 0; i < n; ++i) mine[0].rows().give(i, rows + static_cast<Index>(n_shares) * i);
    });
}

}  // namespace mlkit::metrics
