#pragma once
// Rows of flip costs: all that a separable score leaves of an example's probabilities. With `difference` = cost of 1
// minus cost of 0, the best set takes the cheaper value of every label (0 on a tie) and saying the opposite of label k
// costs |difference_k| more.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <vector>

#include "mlkit/conformal/costs.hpp"
#include "mlkit/core/cells.hpp"

namespace mlkit::conformal {

constexpr Cost no_limit = std::numeric_limits<Cost>::max();  ///< the threshold that every set passes

/// Differences of all labels of each row (`indptr` null), or of the stored ones: the others cost `implicit` to add.
struct FlipRows {
    Index n_rows = 0;
    Index n_labels = 0;
    const Index* indptr = nullptr;
    const std::int32_t* indices = nullptr;
    const Cost* differences = nullptr;
    const Cost* best = nullptr;   ///< score of each row's best set
    const Cost* empty = nullptr;  ///< score of each row's empty set
    Cost implicit = 0;
    Cost one = 0;  ///< for a maximum: what both costs of a cell add up to; 0 for a sum

    bool is_maximum() const { return one != 0; }
    Index begin(Index i) const { return indptr ? indptr[i] : i * n_labels; }
    Index end(Index i) const { return indptr ? indptr[i + 1] : (i + 1) * n_labels; }
    std::int32_t label(Index at, Index row_begin) const {
        return indptr ? indices[at] : static_cast<std::int32_t>(at - row_begin);
    }
    /// Score of the best set that contradicts the best value of one label.
    Cost flipped(Index i, Cost difference) const {
        const Cost d = std::abs(difference);
        return is_maximum() ? std::max(best[i], (one + d) / 2) : best[i] + d;
    }
    Index n_read() const { return indptr ? indptr[n_rows] : n_rows * n_labels; }
};

/// Differences of the cells that `scores` holds, in its order, and the scores of each row's best and empty set.
inline void flip_costs(const Scores& scores, Index n_rows, Index n_labels, const ScoreRule& rule, const Team& whole,
                       Cost* differences, Cost* best, Cost* empty) {
    const Cells cells{{n_rows, n_labels, nullptr, nullptr, nullptr, Background::negative}, scores};
    const Team team = whole.for_work(16 * cells.n_read());
    const CostRule cost(rule);
    const auto* sparse = std::get_if<SparseScores>(&scores);
    for_each_row(cells, team, [&](int, Index i, const LabelRow&, const auto& row) {
        Cost* out = differences + (sparse ? sparse->indptr[i] : i * n_labels);
        Cost cheapest = 0, zeros = 0;
        for (Index k = 0; k < row.size; ++k) {
            const CellCosts c = cost(row.p[k]);
            out[k] = c.one - c.zero;
            if (rule.is_maximum()) {
                cheapest = std::max(cheapest, std::min(c.zero, c.one));
                zeros = std::max(zeros, c.zero);
            } else {
                cheapest += std::min(c.zero, c.one);
                zeros += c.zero;
            }
        }
        best[i] = cheapest;
        empty[i] = zeros;
    });
}

/// Scores of given label sets, straight from probabilities. Unknown cells are left out of the sum (or maximum).
inline void score_sets(const Cells& cells, const ScoreRule& rule, const Team& whole, Cost* out) {
    const Team team = whole.for_work(16 * cells.n_read());
    const CostRule cost(rule);
    const bool maximum = rule.is_maximum();
    const auto add = [maximum](Cost& total, Cost c) { total = maximum ? std::max(total, c) : total + c; };
    for_each_row(cells, team, [&](int, Index i, const LabelRow& labels, const auto& row) {
        Cost total = 0;
        Index at = 0, stored = 0;
        if (!cells.background_is_negative()) {
            for_each_stored_label(labels, row, [&](std::int32_t, int given, double p) {
                const CellCosts c = cost(p);
                add(total, given ? c.one : c.zero);
            });
            out[i] = total;
            return;
        }
        for (; at < row.size; ++at) {  // every cell with a probability; the others cost 0 unless they are given
            std::int32_t label = static_cast<std::int32_t>(at);
            if constexpr (std::is_same_v<std::decay_t<decltype(row)>, SparseRow>) label = row.labels[at];
            while (stored < labels.size && labels.labels[stored] < label) {
                if (labels.value(stored) == 1) add(total, cost(0.0).one);
                ++stored;
            }
            int given = 0;
            if (stored < labels.size && labels.labels[stored] == label) given = labels.value(stored++);
            if (given < 0) continue;
            const CellCosts c = cost(row.p[at]);
            add(total, given ? c.one : c.zero);
        }
        for (; stored < labels.size; ++stored)
            if (labels.value(stored) == 1) add(total, cost(0.0).one);
        out[i] = total;
    });
}

/// Scores of given label sets from flip costs; all cells must be known.
inline void score_sets(const FlipRows& rows, const LabelView& labels, const Team& whole, Cost* out) {
    const Team team = whole.for_work(rows.n_read());
    for_each_range(rows.n_rows, 64, team, [&](Index first, Index last, int) {
        for (Index i = first; i < last; ++i) {
            const LabelRow row = labels.row(i);
            const Index begin = rows.begin(i), end = rows.end(i);
            Index at = begin;
            const auto difference_of = [&](std::int32_t label) {  // ascending questions
                if (!rows.indptr) return rows.differences[begin + label];
                while (at < end && rows.indices[at] < label) ++at;
                return at < end && rows.indices[at] == label ? rows.differences[at] : rows.implicit;
            };
            if (!rows.is_maximum()) {
                Cost total = rows.empty[i];
                for (Index k = 0; k < row.size; ++k)
                    if (row.value(k) == 1) total += difference_of(row.labels[k]);
                out[i] = total;
                continue;
            }
            Cost total = 0;
            Index k = 0;
            for (Index place = begin; place < end; ++place) {
                const std::int32_t label = rows.label(place, begin);
                for (; k < row.size && row.labels[k] < label; ++k)
                    if (row.value(k) == 1) total = std::max(total, (rows.one + rows.implicit) / 2);
                const bool given = k < row.size && row.labels[k] == label && row.value(k++) == 1;
                const Cost d = rows.differences[place];
                total = std::max(total, (given ? rows.one + d : rows.one - d) / 2);
            }
            for (; k < row.size; ++k)
                if (row.value(k) == 1) total = std::max(total, (rows.one + rows.implicit) / 2);
            out[i] = total;
        }
    });
}

/// Of each stored cell: 0 the label is in none of the sets below the row's threshold, 1 in all, 2 in some. A row
/// without any set leaves every label open.
inline void project(const FlipRows& rows, const Cost* thresholds, const Team& whole, std::uint8_t* out) {
    const Team team = whole.for_work(rows.n_read());
    for_each_range(rows.n_rows, 64, team, [&](Index first, Index last, int) {
        for (Index i = first; i < last; ++i) {
            const Cost tau = thresholds[i];
            const bool is_empty = tau < rows.best[i];
            for (Index at = rows.begin(i); at < rows.end(i); ++at) {
                const Cost d = rows.differences[at];
                out[at] = is_empty || rows.flipped(i, d) <= tau ? 2 : d < 0;
            }
        }
    });
}

/// Ascending calibration scores in buckets of equal width, about eight for each score: most hold one or none.
class ScoreBuckets {
  public:
    ScoreBuckets(const Cost* sorted, Index n) : sorted_(sorted), n_(n) {
        if (n == 0) return;
        const auto most = static_cast<std::uint64_t>(std::clamp<Index>(8 * n, 64, Index{1} << 18));
        while ((place(sorted[n - 1]) >> shift_) >= most) ++shift_;
        starts_.assign(static_cast<std::size_t>(place(sorted[n - 1]) >> shift_) + 2, 0);
        for (Index k = 0; k < n; ++k) ++starts_[static_cast<std::size_t>(place(sorted[k]) >> shift_) + 1];
        for (std::size_t b = 1; b < starts_.size(); ++b) starts_[b] += starts_[b - 1];
    }
    /// How many scores are below x.
    Index n_below(Cost x) const {
        if (n_ == 0 || x <= sorted_[0]) return 0;
        if (x > sorted_[n_ - 1]) return n_;
        const auto bucket = static_cast<std::size_t>(place(x) >> shift_);
        return std::lower_bound(sorted_ + starts_[bucket], sorted_ + starts_[bucket + 1], x) - sorted_;
    }

  private:
    std::uint64_t place(Cost x) const { return static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(sorted_[0]); }

    const Cost* sorted_;
    Index n_;
    int shift_ = 0;
    std::vector<std::int32_t> starts_;
};

/// Deterministic p-value of the best set that contradicts each stored label: (1 + #{a >= score}) / (n + 1).
inline void flip_p_values(const FlipRows& rows, const Cost* sorted, Index n_calibration, const Team& whole,
                          double* out) {
    const ScoreBuckets scores(sorted, n_calibration);
    std::vector<double> p_values;  // by the number of scores below
    for (Index n_below = 0; n_below <= n_calibration; ++n_below)
        p_values.push_back(static_cast<double>(1 + n_calibration - n_below) / static_cast<double>(n_calibration + 1));
    const Team team = whole.for_work(4 * rows.n_read());
    for_each_range(rows.n_rows, 16, team, [&](Index first, Index last, int) {
        for (Index i = first; i < last; ++i)
            for (Index at = rows.begin(i); at < rows.end(i); ++at)
                out[at] = p_values[static_cast<std::size_t>(scores.n_below(rows.flipped(i, rows.differences[at])))];
    });
}

/// Smallest and largest number of labels among the sets below each row's threshold; -1 where there is none.
inline void cardinality_bounds(const FlipRows& rows, const Cost* thresholds, const Team& whole, Index* low,
                               Index* high) {
    const Team team = whole.for_work(8 * rows.n_read());
    for_each_range(rows.n_rows, 16, team, [&](Index first, Index last, int) {
        std::vector<Cost> removals, additions;
        const auto payable = [](std::vector<Cost>& costs, Cost rest) {
            std::sort(costs.begin(), costs.end());
            Index n = 0;
            for (const Cost c : costs) {
                if (c > rest) break;
                rest -= c;
                ++n;
            }
            return n;
        };
        for (Index i = first; i < last; ++i) {
            const Cost tau = thresholds[i];
            if (tau < rows.best[i]) {
                low[i] = high[i] = -1;
                continue;
            }
            removals.clear();
            additions.clear();
            Index in_best = 0;
            const auto note = [&](Cost d, Index times) {
                in_best += d < 0;
                if (rows.flipped(i, d) > tau) return;
                // a maximum is no dearer for many flips than for the dearest of them
                (d < 0 ? removals : additions)
                    .insert((d < 0 ? removals : additions).end(), times, rows.is_maximum() ? 0 : std::abs(d));
            };
            for (Index at = rows.begin(i); at < rows.end(i); ++at) note(rows.differences[at], 1);
            if (rows.indptr) note(rows.implicit, rows.n_labels - (rows.end(i) - rows.begin(i)));
            const Cost rest = tau == no_limit ? no_limit : tau - rows.best[i];
            low[i] = in_best - payable(removals, rest);
            high[i] = in_best + payable(additions, rest);
        }
    });
}

}  // namespace mlkit::conformal
