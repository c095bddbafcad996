#pragma once
// One score per example out of its cells' scores. Goh, Thyagarajan, Mueller, "Identifying Incorrect Annotations in
// Multi-Label Classification Data", 2022.
//
// Dense and sparse storage give the same bits. What depends on order statistics alone does so by itself; sums leave out
// the cells that score exactly what an unstored cell scores and bring them in as one group.

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "mlkit/core/lanes.hpp"
#include "mlkit/core/simd.hpp"
#include "mlkit/quality/scores.hpp"

namespace mlkit::quality {

enum class Aggregate { exponential_moving_average, softmin, mean, min, max, median, k_smallest, log };

struct AggregateRule {
    Aggregate kind = Aggregate::exponential_moving_average;
    double alpha = 0.8;        ///< weight of the smaller score; <= 0: 2 / (known cells + 1)
    double temperature = 0.1;  ///< softmin; at least 1e-6
    Index k = 1;               ///< k_smallest

    bool takes_smallest() const {
        return kind == Aggregate::min || kind == Aggregate::k_smallest || kind == Aggregate::exponential_moving_average;
    }

    /// How many of the smallest scores of a row can change its result by more than rounding.
    Index depth(Index n_known) const {
        switch (kind) {
            case Aggregate::min:
                return 1;
            case Aggregate::k_smallest:
                return std::min(k, n_known);
            case Aggregate::exponential_moving_average: {
                const double a = alpha_for(n_known);
                if (a >= 1) return 1;
                const double needed = std::ceil(std::log(1e-17) / std::log1p(-a));
                return needed < static_cast<double>(n_known) ? static_cast<Index>(needed) : n_known;
            }
            default:
                return n_known;
        }
    }
    double alpha_for(Index n_known) const { return alpha > 0 ? alpha : 2.0 / (static_cast<double>(n_known) + 1.0); }
};

/// The scores of a row: some one by one, and a group of `n_equal` cells that all score `equal`. Where only the smallest
/// scores matter the largest may be left out, so the number of known cells stands beside them.
struct RowScores {
    std::vector<double> values;
    double equal = 1.0;
    Index n_equal = 0;
    Index n_known = 0;
};

namespace detail {

/// Sorts the `depth` smallest of a row's values to the front. Rows of one data set resemble each other, so a guess at
/// the last value that matters, taken from earlier rows, usually leaves only a few to sort; the outcome never depends
/// on the guess.
class SmallestSorter {
  public:
    void operator()(std::vector<double>& values, Index depth) {
        const auto n = static_cast<Index>(values.size());
        if (n <= simd::small_sort_limit && n <= 2 * depth) return simd::sort_small(values.data(), n);
        if (depth < n) {
            kept_.resize(values.size());
            const Index kept = simd::keep_at_most(values.data(), n, guess_, kept_.data());
            if (kept >= depth && kept <= simd::small_sort_limit) {
                values.assign(kept_.begin(), kept_.begin() + kept);
                return simd::sort_small(values.data(), kept);
            }
            const auto at = [&](Index rank) { return values.begin() + (rank - 1); };
            const Index wide = std::min(n, depth + depth / 2);
            std::nth_element(values.begin(), at(wide), values.end());
            guess_ = *at(wide);
            if (wide > depth) std::nth_element(values.begin(), at(depth), at(wide) + 1);
            values.resize(static_cast<std::size_t>(depth));
        }
        std::sort(values.begin(), values.end());
    }

  private:
    double guess_ = 0.5;
    std::vector<double> kept_;
};

/// The order statistics of a row: its values ascending with the group of equals in its place.
class Sorted {
  public:
    Sorted(const std::vector<double>& ascending, const RowScores& row)
        : v_(ascending.data()),
          equal_(row.equal),
          n_equal_(row.n_equal),
          n_values_(static_cast<Index>(ascending.size())) {
        before_ = std::upper_bound(ascending.begin(), ascending.end(), equal_) - ascending.begin();
    }
    double operator[](Index r) const {
        if (r < before_) return v_[r];
        return r < before_ + n_equal_ ? equal_ : v_[r - n_equal_];
    }
    Index group_begin() const { return before_; }
    Index group_end() const { return before_ + n_equal_; }
    Index size() const { return n_values_ + n_equal_; }

  private:
    const double* v_;
    double equal_;
    Index n_equal_, n_values_, before_;
};

inline double moving_average(const Sorted& s, Index depth, double alpha) {
    double e = s[depth - 1];
    for (Index r = depth - 2; r >= 0; --r) {
        const double next = e + alpha * (s[r] - e);
        if (next == e && r > s.group_begin() && r < s.group_end())
            r = s.group_begin();  // the rest of the group is idle
        e = next;
    }
    return e;
}

/// f summed over the values that differ from the group's, in label order, and over the group as one.
template <class F>
double grouped_sum(const RowScores& row, F&& f) {
    double sum = 0;
    Index n_equal = row.n_equal;
    for (const double v : row.values) {
        if (v == row.equal)
            ++n_equal;
        else
            sum += f(v);
    }
    return n_equal ? sum + static_cast<double>(n_equal) * f(row.equal) : sum;
}

inline double softmin(const RowScores& row, double temperature) {
    const double t = std::max(temperature, 1e-6);
    double smallest = row.n_equal ? row.equal : row.values.front();
    for (const double v : row.values) smallest = std::min(smallest, v);
    const auto weight = [&](double v) { return std::exp((smallest - v) / t); };
    const double weights = grouped_sum(row, weight);
    return grouped_sum(row, [&](double v) { return v * weight(v); }) / weights;
}

}  // namespace detail

/// The example's score; NaN without a known cell. Order statistics rearrange `row.values`.
inline double aggregate(const AggregateRule& rule, RowScores& row, detail::SmallestSorter& sort_smallest) {
    const Index n = row.n_known;
    if (n == 0) return std::nan("");
    const auto mean_of = [&](auto f) { return detail::grouped_sum(row, f) / static_cast<double>(n); };
    switch (rule.kind) {
        case Aggregate::softmin:
            return std::min(1.0, detail::softmin(row, rule.temperature));  // rounding
        case Aggregate::mean:
            return std::min(1.0, mean_of([](double v) { return v; }));
        case Aggregate::log:
            return mean_of([](double v) { return std::log(v + 1e-8); });
        case Aggregate::max: {
            double largest = row.n_equal ? row.equal : row.values.front();
            for (const double v : row.values) largest = std::max(largest, v);
            return largest;
        }
        case Aggregate::median: {
            std::sort(row.values.begin(), row.values.end());
            const detail::Sorted s(row.values, row);
            return n % 2 ? s[n / 2] : 0.5 * (s[n / 2 - 1] + s[n / 2]);
        }
        default: {
            const Index depth = rule.depth(n);
            sort_smallest(row.values, depth);
            const detail::Sorted s(row.values, row);
            if (rule.kind == Aggregate::exponential_moving_average)
                return detail::moving_average(s, std::min(depth, s.size()), rule.alpha_for(n));
            double sum = 0;
            for (Index r = 0; r < depth; ++r) sum += s[r];
            return sum / static_cast<double>(depth);
        }
    }
}

/// The scores that cells get which are neither given nor scored, smallest first: one order for all rows.
class BackgroundOrder {
  public:
    BackgroundOrder(const CellScorer& scorer, Index n_labels) {
        for (Index j = 0; j < n_labels; ++j) order_.emplace_back(scorer.background(j), static_cast<std::int32_t>(j));
        std::sort(order_.begin(), order_.end());
    }
    const std::vector<std::pair<double, std::int32_t>>& ascending() const { return order_; }

  private:
    std::vector<std::pair<double, std::int32_t>> order_;
};

/// Collects the scores of rows. One per thread: it owns scratch memory.
class RowCollector {
  public:
    RowCollector(const CellScorer& scorer, const AggregateRule& rule, const Cells& cells, const BackgroundOrder* order)
        : scorer_(scorer),
          rule_(rule),
          n_labels_(cells.labels.n_labels),
          background_(cells.labels.background),
          order_(order),
          mentioned_(order ? static_cast<std::size_t>(n_labels_) : 0, 0) {
        row_.equal = scorer_.is_adjusted() ? -1.0 : scorer_.background(0);  // -1: no score, so no group
    }

    double score(const LabelRow& labels, const DenseRow& scores) {
        if (background_ == Background::unknown)
            collect_explicit(labels, scores);
        else
            collect_all(labels, scores);
        return aggregate(rule_, row_, sort_smallest_);
    }
    double score(const LabelRow& labels, const SparseRow& scores) {
        if (background_ == Background::unknown || !scorer_.is_adjusted())
            collect_explicit(labels, scores);
        else if (order_)
            collect_smallest(labels, scores);
        else
            collect_all(labels, scores);
        return aggregate(rule_, row_, sort_smallest_);
    }

    /// Whether rows can be scored from the smallest background scores alone.
    static bool wants_order(const CellScorer& scorer, const AggregateRule& rule, const Cells& cells) {
        return std::holds_alternative<SparseScores>(cells.scores) && cells.background_is_negative() &&
               scorer.is_adjusted() && rule.takes_smallest();
    }

  private:
    /// The scores of all known cells.
    template <class Row>
    void collect_all(const LabelRow& labels, const Row& scores) {
        auto& values = row_.values;
        values.resize(static_cast<std::size_t>(n_labels_));
        score_row(scorer_, labels, scores, n_labels_, background_, values.data());
        if (labels.values)
            values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
                         values.end());
        row_.n_equal = 0;
        row_.n_known = static_cast<Index>(values.size());
    }

    /// The scores of the explicit cells; the other known ones, if there are any, form the group.
    template <class Row>
    void collect_explicit(const LabelRow& labels, const Row& scores) {
        row_.values.clear();
        for_each_explicit_cell(labels, scores, background_, [&](std::int32_t label, int given, double p) {
            row_.values.push_back(scorer_(label, given, p));
        });
        row_.n_known = count_known(labels, n_labels_, background_);
        row_.n_equal = row_.n_known - static_cast<Index>(row_.values.size());
    }

    /// The scores of the explicit cells and as many of the smallest background scores as can matter.
    void collect_smallest(const LabelRow& labels, const SparseRow& scores) {
        row_.values.clear();
        for_each_explicit_cell(labels, scores, background_, [&](std::int32_t label, int given, double p) {
            row_.values.push_back(scorer_(label, given, p));
        });
        row_.n_equal = 0;
        row_.n_known = count_known(labels, n_labels_, background_);
        mark(labels, scores, 1);
        Index wanted = rule_.depth(row_.n_known);
        for (const auto& [score, label] : order_->ascending()) {
            if (wanted == 0) break;
            if (mentioned_[static_cast<std::size_t>(label)]) continue;
            row_.values.push_back(score);
            --wanted;
        }
        mark(labels, scores, 0);
    }
    void mark(const LabelRow& labels, const SparseRow& scores, std::uint8_t value) {
        for (Index k = 0; k < labels.size; ++k) mentioned_[static_cast<std::size_t>(labels.labels[k])] = value;
        for (Index c = 0; c < scores.size; ++c)
            if (scores.p[c] > 0) mentioned_[static_cast<std::size_t>(scores.labels[c])] = value;
    }

    CellScorer scorer_;
    AggregateRule rule_;
    Index n_labels_;
    Background background_;
    const BackgroundOrder* order_;
    std::vector<std::uint8_t> mentioned_;
    RowScores row_;
    detail::SmallestSorter sort_smallest_;
};

/// The moving averages of dense rows without unknown cells, eight rows at a time. One per thread: it owns scratch
/// memory.
class LaneAverager {
  public:
    LaneAverager(const CellScorer& scorer, const AggregateRule& rule, const LabelView& labels)
        : scorer_(scorer),
          labels_(labels),
          depth_(rule.depth(labels.n_labels)),
          alpha_(rule.alpha_for(labels.n_labels)),
          row_(static_cast<std::size_t>(labels.n_labels)),
          lanes_(static_cast<std::size_t>(lanes::padded(labels.n_labels))) {}

    static bool suits(const AggregateRule& rule, const Cells& cells) {
        return std::holds_alternative<DenseScores>(cells.scores) && cells.background_is_negative() &&
               !cells.labels.values && rule.kind == Aggregate::exponential_moving_average &&
               rule.depth(cells.labels.n_labels) <= lanes::block;
    }

    /// Scores of rows [begin, end) into `out`.
    void operator()(Index begin, Index end, const DenseReader& rows, double* out) {
        const Index n_labels = labels_.n_labels;
        lanes::Lanes average;
        for (Index i = begin; i < end; i += lanes::width) {
            const Index n_rows = std::min(lanes::width, end - i);
            for (Index r = 0; r < n_rows; ++r) {
                score_row(scorer_, labels_.row(i + r), rows.row(i + r), n_labels, labels_.background, row_.data());
                for (std::size_t j = 0; j < row_.size(); ++j) lanes_[j].v[r] = row_[j];
            }
            lanes::sort_smallest(lanes_.data(), n_labels);
            lanes::moving_average(lanes_.data(), depth_, alpha_, &average);
            for (Index r = 0; r < n_rows; ++r) out[i + r] = average.v[r];
        }
    }

  private:
    CellScorer scorer_;
    LabelView labels_;
    Index depth_;
    double alpha_;
    std::vector<double> row_;
    std::vector<lanes::Lanes> lanes_;
};

/// One score per row into `out`.
inline void row_scores(const Cells& cells, const CellScorer& scorer, const AggregateRule& rule, const Team& whole_team,
                       double* out) {
    const Team team = whole_team.for_work(cells.n_read());
    const auto n_threads = static_cast<std::size_t>(team.n_threads);
    if (LaneAverager::suits(rule, cells)) {
        std::vector<LaneAverager> averagers(n_threads, LaneAverager(scorer, rule, cells.labels));
        for_each_tile(cells, team, [&](int thread, Index begin, Index end, const auto& rows) {
            if constexpr (std::is_same_v<std::decay_t<decltype(rows)>, DenseReader>)
                averagers[static_cast<std::size_t>(thread)](begin, end, rows, out);
        });
        return;
    }
    std::unique_ptr<BackgroundOrder> order;
    if (RowCollector::wants_order(scorer, rule, cells))
        order = std::make_unique<BackgroundOrder>(scorer, cells.labels.n_labels);
    std::vector<RowCollector> collectors(n_threads, RowCollector(scorer, rule, cells, order.get()));
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& scores) {
        out[i] = collectors[static_cast<std::size_t>(thread)].score(labels, scores);
    });
}

}  // namespace mlkit::quality
