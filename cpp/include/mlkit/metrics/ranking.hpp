#pragma once
// Row-wise ranking metrics and top-k metrics from the ranks of a row's positives: one pass, one row at a time.

#include <cmath>
#include <limits>

#include "mlkit/metrics/ranks.hpp"

namespace mlkit::metrics {

enum class Ties { column, average };

/// What is asked of each row. Places in the two outputs are those of the enums below.
struct RankingPlan {
    Ties ties = Ties::column;    ///< order of equal scores in one-error, R-precision and top-k metrics
    bool drops_absent = false;   ///< unstored labels of a sparse row are never retrieved (ties by column, `top` alone)
    std::vector<Index> ks = {};  ///< cut-offs of the top-k metrics
    Index gain_limit = 0;        ///< nDCG up to this rank; 0: all ranks
    const double* discounts = nullptr;     ///< discounts[r] = sum of the discounts of the first r ranks, r <= n_labels
    const double* propensities = nullptr;  ///< inverse propensities of the labels, or null
};

enum RowMeasure {
    row_positives,
    row_known,
    row_lrap,
    row_coverage,
    row_ranking_loss,
    row_auc,
    row_one_error,
    row_gain,
    row_ideal_gain,
    row_r_precision,
    n_row_measures
};
enum TopMeasure {
    top_hits,
    top_any,
    top_gain,
    top_scored,
    top_scored_gain,
    top_best,
    top_best_gain,
    top_tied,  ///< of the first k cells, those that another of the same score might replace, and not for nothing
    n_top_measures
};

namespace detail {

inline Index rank_of(const PositiveRank& r) { return r.above + r.before; }  // from 0

/// Chance that the cell is among the first k when ties are broken at random.
inline double share_within(const PositiveRank& r, Index k) {
    if (r.above >= k) return 0.0;
    return std::min(1.0, static_cast<double>(k - r.above) / static_cast<double>(r.tied));
}

/// Mean discount over the ranks that the cell's tie group takes up, none after rank k.
inline double mean_discount(const PositiveRank& r, Index k, const double* discounts) {
    const Index begin = std::min(r.above, k), end = std::min(r.above + r.tied, k);
    return (discounts[end] - discounts[begin]) / static_cast<double>(r.tied);
}

/// Chance that no positive is among the first k: of the tie group that k cuts, only negatives are drawn.
inline double no_hit(const std::vector<PositiveRank>& positives, Index k) {
    const PositiveRank* first = nullptr;
    for (const PositiveRank& r : positives)
        if (!first || r.above < first->above) first = &r;
    if (!first || first->above >= k) return 1.0;
    const Index drawn = k - first->above, negatives = first->tied - first->hits_tied;
    if (drawn > negatives) return 0.0;
    double chance = 1.0;
    for (Index d = 0; d < drawn; ++d)
        chance *= static_cast<double>(negatives - d) / static_cast<double>(first->tied - d);
    return chance;
}

class RowMeasurer {
  public:
    RowMeasurer(const RankingPlan& plan, Index n_labels) : plan_(plan), n_labels_(n_labels) {}

    void measure(const RankedRow& row, double* out) const {
        const auto& positives = row.positives();
        const auto n_positive = static_cast<Index>(positives.size());
        const Index n_known = row.n_known(), n_negative = n_known - n_positive;
        const double nan = std::numeric_limits<double>::quiet_NaN();
        out[row_positives] = static_cast<double>(n_positive);
        out[row_known] = static_cast<double>(n_known);
        if (n_known == 0) {
            for (int m = row_lrap; m < n_row_measures; ++m) out[m] = nan;
            return;
        }
        const Index limit = plan_.gain_limit ? std::min(plan_.gain_limit, n_labels_) : n_labels_;
        double precision = 0.0, gain = 0.0, r_precision = 0.0, tied_pairs = 0.0, lost_pairs = 0.0;
        double missed = 1.0;
        Index depth = 0;
        for (const PositiveRank& r : positives) {
            const Index reached = r.above + r.tied, hits = r.hits_above + r.hits_tied;
            precision += static_cast<double>(hits) / static_cast<double>(reached);
            depth = std::max(depth, reached);
            lost_pairs += static_cast<double>(reached - hits);
            tied_pairs += static_cast<double>(r.tied - r.hits_tied);
            gain += mean_discount(r, limit, plan_.discounts);
            if (plan_.ties == Ties::average) {
                r_precision += share_within(r, n_positive);
                if (r.above == 0) missed = static_cast<double>(r.tied - r.hits_tied) / static_cast<double>(r.tied);
            } else {
                r_precision += rank_of(r) < n_positive;
                if (rank_of(r) == 0) missed = 0.0;
            }
        }
        const auto P = static_cast<double>(n_positive), N = static_cast<double>(n_negative);
        const bool is_degenerate = n_positive == 0 || n_negative == 0;
        out[row_lrap] = is_degenerate ? 1.0 : precision / P;
        out[row_coverage] = static_cast<double>(depth);
        out[row_ranking_loss] = is_degenerate ? 0.0 : lost_pairs / (P * N);
        out[row_auc] = is_degenerate ? nan : 1.0 - (lost_pairs - 0.5 * tied_pairs) / (P * N);
        out[row_one_error] = missed;
        out[row_gain] = gain;
        out[row_ideal_gain] = plan_.discounts[std::min(n_positive, limit)];
        out[row_r_precision] = n_positive ? r_precision / P : 0.0;
    }

    void measure_top(const RankedRow& row, double* out) {
        const auto& positives = row.positives();
        best_.clear();
        if (plan_.propensities) {
            for (const PositiveRank& r : positives) best_.push_back(plan_.propensities[r.label]);
            std::sort(best_.begin(), best_.end(), [](double a, double b) { return a > b; });
        }
        for (const Index k : plan_.ks) {
            for (int m = 0; m < n_top_measures; ++m) out[m] = 0.0;
            const Index depth = std::min(k, n_labels_);
            for (const PositiveRank& r : positives) {
                if (plan_.drops_absent && !r.is_stored) continue;
                double share, discount;
                if (plan_.ties == Ties::average) {
                    share = share_within(r, k);
                    discount = mean_discount(r, depth, plan_.discounts);
                } else {
                    const Index rank = rank_of(r);
                    share = rank < k;
                    discount = rank < depth ? plan_.discounts[rank + 1] - plan_.discounts[rank] : 0.0;
                }
                const double weight = plan_.propensities ? plan_.propensities[r.label] : 0.0;
                out[top_hits] += share;
                out[top_gain] += discount;
                out[top_scored] += weight * share;
                out[top_scored_gain] += weight * discount;
                if (r.above < k && k < r.above + r.tied && r.hits_tied < r.tied)
                    out[top_tied] = static_cast<double>(k - r.above);
            }
            out[top_any] =
                plan_.ties == Ties::average ? 1.0 - no_hit(positives, k) : static_cast<double>(out[top_hits] > 0.0);
            for (Index j = 0; j < std::min<Index>(k, static_cast<Index>(best_.size())); ++j) {
                const double weight = best_[static_cast<std::size_t>(j)];
                out[top_best] += weight;
                out[top_best_gain] += weight * (plan_.discounts[j + 1] - plan_.discounts[j]);
            }
            out += n_top_measures;
        }
    }

  private:
    const RankingPlan& plan_;
    Index n_labels_;
    std::vector<double> best_;
};

}  // namespace detail

/// Fills rows (n, n_row_measures) and top (n, ks, n_top_measures), each unless null. A row without a known cell gets
/// NaN. Counting: O(positives * labels) a row, on sparse scores O(positives * stored); sorting from 49 positives on.
inline void rank_rows(const Cells& cells, const RankingPlan& plan, const Team& whole_team, double* rows, double* top) {
    const Team team = whole_team.for_work(4 * cells.n_read());
    const auto n_threads = static_cast<std::size_t>(team.n_threads);
    std::vector<RankedRow> ranked(n_threads, RankedRow(cells.labels.n_labels, !plan.drops_absent));
    std::vector<detail::RowMeasurer> measurers(n_threads, detail::RowMeasurer(plan, cells.labels.n_labels));
    const auto per_row = static_cast<Index>(plan.ks.size()) * n_top_measures;
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& scores) {
        RankedRow& row = ranked[static_cast<std::size_t>(thread)];
        row.rank(labels, cells.labels.background, scores);
        auto& measurer = measurers[static_cast<std::size_t>(thread)];
        if (rows) measurer.measure(row, rows + i * n_row_measures);
        if (top) measurer.measure_top(row, top + i * per_row);
    });
}

}  // namespace mlkit::metrics
