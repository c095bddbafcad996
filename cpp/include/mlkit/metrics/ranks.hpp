#pragma once
// Where a row's positives stand in the order of its scores: all that row-wise ranking and top-k metrics need. Only the
// positives' scores are sorted; every other cell is counted where it falls among them.

#include <algorithm>
#include <limits>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/simd.hpp"

namespace mlkit::metrics {

/// A positive among the row's known cells. Counts include the cell itself where they are of equals.
struct PositiveRank {
    std::int32_t label;
    bool is_stored;  ///< false: a sparse row does not store its score, which is 0
    double score;
    Index above, tied;            ///< known cells with a higher score; with the same
    Index before;                 ///< of the tied, those of a lower label number
    Index hits_above, hits_tied;  ///< the same as `above` and `tied` among the positives
};

/// One thread's view of a row: its known cells numbered without gaps, and the ranks of its positives by label number.
class RankedRow {
  public:
    /// `zeros_compete`: what a sparse row does not store has score 0; otherwise it has no rank and takes none.
    explicit RankedRow(Index n_labels, bool zeros_compete = true)
        : n_labels_(n_labels), zeros_compete_(zeros_compete) {}

    Index n_known() const { return n_known_; }
    const std::vector<PositiveRank>& positives() const { return positives_; }

    void rank(const LabelRow& labels, Background background, const DenseRow& scores) {
        number_cells(labels, background);
        const double* p = scores.p;
        if (n_known_ < n_labels_) {
            known_.clear();
            for_each_known([&](std::int32_t label) { known_.push_back(scores.p[label]); });
            p = known_.data();
        }
        for (std::size_t k = 0; k < positives_.size(); ++k) {
            positives_[k].score = scores.p[positives_[k].label];
            positives_[k].is_stored = true;
        }
        rank_among(nullptr, p, n_known_);
    }

    void rank(const LabelRow& labels, Background background, const SparseRow& scores) {
        number_cells(labels, background);
        Index at = 0;
        for (PositiveRank& positive : positives_) {
            positive.score = score_at(scores, positive.label, at);
            positive.is_stored = at < scores.size && scores.labels[at] == positive.label;
        }
        if (n_known_ == n_labels_) return rank_among(scores.labels, scores.p, scores.size);
        known_.clear();
        columns_.clear();
        for (Index k = 0; k < scores.size; ++k) {
            const Index place = place_of(scores.labels[k]);
            if (place < 0) continue;
            columns_.push_back(static_cast<std::int32_t>(place));
            known_.push_back(scores.p[k]);
        }
        rank_among(columns_.data(), known_.data(), static_cast<Index>(known_.size()));
    }

  private:
    /// Which labels are known (`listed_`: the exceptions to the background), and which of them are positive.
    void number_cells(const LabelRow& labels, Background background) {
        positives_.clear();
        places_.clear();
        listed_.clear();
        lists_known_ = background == Background::unknown;
        for (Index k = 0; k < labels.size; ++k) {
            const int value = labels.value(k);
            const std::int32_t label = labels.labels[k];
            const bool is_listed = lists_known_ ? value >= 0 : value < 0;
            if (value == 1) {
                const auto n_listed = static_cast<Index>(listed_.size());
                positives_.push_back({label, false, 0.0, 0, 0, 0, 0, 0});
                places_.push_back(lists_known_ ? n_listed : label - n_listed);
            }
            if (is_listed) listed_.push_back(label);
        }
        const auto n_listed = static_cast<Index>(listed_.size());
        n_known_ = lists_known_ ? n_listed : n_labels_ - n_listed;
    }

    /// A label's number among the known ones; -1: unknown.
    Index place_of(std::int32_t label) const {
        const auto found = std::lower_bound(listed_.begin(), listed_.end(), label);
        const auto before = static_cast<Index>(found - listed_.begin());
        const bool is_listed = found != listed_.end() && *found == label;
        if (lists_known_) return is_listed ? before : -1;
        return is_listed ? -1 : label - before;
    }

    template <class Visit>
    void for_each_known(Visit&& visit) const {
        if (lists_known_) {
            for (const std::int32_t label : listed_) visit(label);
            return;
        }
        std::size_t next = 0;
        for (Index j = 0; j < n_labels_; ++j) {
            if (next < listed_.size() && listed_[next] == j)
                ++next;
            else
                visit(static_cast<std::int32_t>(j));
        }
    }

    /// `columns` null: the scores are those of all known cells; else of these, the others being 0.
    void rank_among(const std::int32_t* columns, const double* p, Index n) {
        if (positives_.empty()) return;
        const bool has_zeros = zeros_compete_ && n < n_known_;
        sort_distinct_scores();
        if (!columns) {  // of all cells only those matter that reach the lowest positive
            const auto size = static_cast<std::size_t>(n);
            marks_.resize(size + 8);
            reaching_.resize(size + 8);
            reached_.resize(size);
            n = simd::find_at_least(p, sorted_.front(), n, marks_.data(), reaching_.data());
            for (Index k = 0; k < n; ++k)
                reached_[static_cast<std::size_t>(k)] = p[reaching_[static_cast<std::size_t>(k)]];
            columns = reaching_.data();
            p = reached_.data();
        }
        const auto n_groups = static_cast<Index>(groups_.size());
        // where each cell falls among the positives' scores: 2g between two of them, 2g + 1 at the g-th
        smaller_.resize(static_cast<std::size_t>(n));
        simd::count_smaller(p, n, sorted_.data(), size_, smaller_.data());
        counts_.assign(static_cast<std::size_t>(2 * n_groups + 1), 0);
        for (Index j = 0; j < n; ++j) ++counts_[place(smaller_[static_cast<std::size_t>(j)], p[j])];
        std::int32_t zero_group = -1;
        if (has_zeros) {
            std::int32_t below = 0;
            while (below < n_groups && sorted_[static_cast<std::size_t>(below)] < 0.0) ++below;
            const std::size_t at = place(below, 0.0);
            counts_[at] += n_known_ - n;
            if (at % 2) zero_group = below;
        }
        Index above = counts_.back(), hits = 0;
        bool has_ties = false;
        for (Index g = n_groups; g-- > 0;) {
            Group& group = groups_[static_cast<std::size_t>(g)];
            group.above = above;
            group.tied = counts_[static_cast<std::size_t>(2 * g + 1)];
            group.hits_above = hits;
            hits += group.hits;
            above += group.tied + counts_[static_cast<std::size_t>(2 * g)];
            has_ties |= group.tied > 1;
        }
        for (std::size_t k = 0; k < positives_.size(); ++k) {
            const Group& group = groups_[static_cast<std::size_t>(group_of_[k])];
            PositiveRank& to = positives_[k];
            to.above = group.above;
            to.tied = group.tied;
            to.hits_above = group.hits_above;
            to.hits_tied = group.hits;
        }
        if (has_ties) order_ties(columns, p, n, zero_group);
    }

    struct Group {
        Index hits, above, tied, hits_above, seen;
    };

    /// Distinct scores of the positives, ascending, with their numbers; padded for the search.
    void sort_distinct_scores() {
        sorted_.clear();
        for (const PositiveRank& positive : positives_) sorted_.push_back(positive.score);
        if (static_cast<Index>(sorted_.size()) <= simd::small_sort_limit)
            simd::sort_small(sorted_.data(), static_cast<Index>(sorted_.size()));
        else
            std::sort(sorted_.begin(), sorted_.end());
        sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
        groups_.assign(sorted_.size(), Group{0, 0, 0, 0, 0});
        group_of_.clear();
        for (const PositiveRank& positive : positives_) {
            const auto g = std::lower_bound(sorted_.begin(), sorted_.end(), positive.score) - sorted_.begin();
            group_of_.push_back(static_cast<std::int32_t>(g));
            ++groups_[static_cast<std::size_t>(g)].hits;
        }
        size_ = 1;
        while (size_ < static_cast<Index>(sorted_.size())) size_ = 2 * size_ + 1;
        sorted_.resize(static_cast<std::size_t>(size_) + 1, std::numeric_limits<double>::quiet_NaN());
    }

    std::size_t place(std::int32_t n_smaller, double score) const {
        return 2 * static_cast<std::size_t>(n_smaller) + (sorted_[static_cast<std::size_t>(n_smaller)] == score);
    }

    /// Counts, for each positive, the cells of its score and a lower number; `zero_group`: that of unstored zeros.
    void order_ties(const std::int32_t* columns, const double* p, Index n, std::int32_t zero_group) {
        std::size_t next = 0;
        Index n_nonzero = 0;  // stored cells so far with another score than 0
        const auto settle = [&] {
            const std::int32_t g = group_of_[next];
            positives_[next].before =
                g == zero_group ? places_[next] - n_nonzero : groups_[static_cast<std::size_t>(g)].seen;
            ++next;
        };
        for (Index j = 0; j < n && next < positives_.size(); ++j) {
            while (next < positives_.size() && places_[next] <= columns[j]) settle();
            const std::int32_t g = smaller_[static_cast<std::size_t>(j)];
            if (sorted_[static_cast<std::size_t>(g)] == p[j]) ++groups_[static_cast<std::size_t>(g)].seen;
            n_nonzero += p[j] != 0.0;
        }
        while (next < positives_.size()) settle();
    }

    Index n_labels_, n_known_ = 0;
    bool zeros_compete_, lists_known_ = false;
    std::vector<std::int32_t> listed_, columns_;
    std::vector<double> known_;
    std::vector<Index> places_;
    std::vector<PositiveRank> positives_;
    std::vector<double> sorted_;          ///< distinct scores of the positives, NaN from there to `size_` and one more
    std::vector<Group> groups_;           ///< one for each of them
    std::vector<std::int32_t> group_of_;  ///< by positive
    std::vector<std::int32_t> smaller_;   ///< by cell: distinct scores below its own
    std::vector<Index> counts_;
    std::vector<std::uint8_t> marks_;
    std::vector<std::int32_t> reaching_;
    std::vector<double> reached_;
    Index size_ = 0;
};

}  // namespace mlkit::metrics
