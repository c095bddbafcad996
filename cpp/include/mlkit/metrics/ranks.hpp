#pragma once
// Where a row's positives stand in the order of its scores: all that row-wise ranking and top-k metrics need. Few
// positives are ranked by counting, which needs no sort; many by one sort of the row.

#include <algorithm>
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
    static constexpr std::size_t most_counted = 48;

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
        if (positives_.size() > most_counted)
            rank_by_sorting(columns, p, n);
        else
            rank_by_counting(columns, p, n);
    }

    void rank_by_counting(const std::int32_t* columns, const double* p, Index n) {
        const Index n_zeros = zeros_compete_ ? n_known_ - n : 0;
        for (std::size_t k = 0; k < positives_.size(); ++k) {
            PositiveRank& positive = positives_[k];
            const double score = positive.score;
            simd::count_above(p, n, score, positive.above, positive.tied);
            if (n_zeros > 0 && score < 0.0) positive.above += n_zeros;
            const bool is_zero = n_zeros > 0 && score == 0.0;
            if (is_zero) positive.tied += n_zeros;
            if (positive.tied > 1) {
                Index lower = places_[k], n_equal = 0;  // stored cells of a lower number
                if (columns) lower = std::lower_bound(columns, columns + n, places_[k]) - columns;
                for (Index j = 0; j < lower; ++j) n_equal += p[j] == score;
                positive.before = n_equal + (is_zero ? places_[k] - lower : 0);
            }
            for (const PositiveRank& other : positives_) {
                positive.hits_above += other.score > score;
                positive.hits_tied += other.score == score;
            }
        }
    }

    struct Entry {
        double score;
        Index place;
        std::int32_t positive;  ///< number of the positive, or -1
    };

    void rank_by_sorting(const std::int32_t* columns, const double* p, Index n) {
        entries_.clear();
        std::size_t next = 0;
        Index n_zeros = n_known_ - n;
        for (Index j = 0; j < n; ++j) {
            const Index place = columns ? columns[j] : j;
            for (; next < places_.size() && places_[next] < place; ++next) add_unstored(next, n_zeros);
            const bool is_positive = next < places_.size() && places_[next] == place;
            entries_.push_back({p[j], place, is_positive ? static_cast<std::int32_t>(next) : -1});
            next += is_positive;
        }
        for (; next < places_.size(); ++next) add_unstored(next, n_zeros);
        std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
            return a.score > b.score || (a.score == b.score && a.place < b.place);
        });
        // what is left of the zeros has no entry of its own: negatives that are not stored
        if (!zeros_compete_) n_zeros = 0;
        Index above = 0, hits_above = 0;
        bool zeros_are_above = false;
        for (std::size_t begin = 0; begin < entries_.size();) {
            std::size_t end = begin;
            Index n_hits = 0;
            for (; end < entries_.size() && entries_[end].score == entries_[begin].score; ++end)
                n_hits += entries_[end].positive >= 0;
            const bool is_zero = entries_[begin].score == 0.0;
            if (entries_[begin].score < 0.0 && !zeros_are_above) above += n_zeros, zeros_are_above = true;
            const Index tied = static_cast<Index>(end - begin) + (is_zero ? n_zeros : 0);
            Index lower = 0, n_nonzero = 0;  // stored cells of a lower number, those of another score
            for (std::size_t e = begin; e < end && n_hits > 0; ++e) {
                if (entries_[e].positive < 0) continue;
                PositiveRank& to = positives_[static_cast<std::size_t>(entries_[e].positive)];
                to.above = above;
                to.tied = tied;
                to.before = static_cast<Index>(e - begin);
                if (is_zero && n_zeros > 0) {
                    for (; lower < n && columns[lower] < entries_[e].place; ++lower) n_nonzero += p[lower] != 0.0;
                    to.before = entries_[e].place - n_nonzero;
                }
                to.hits_above = hits_above;
                to.hits_tied = n_hits;
            }
            above += tied;
            hits_above += n_hits;
            zeros_are_above |= is_zero;
            begin = end;
        }
    }

    void add_unstored(std::size_t positive, Index& n_zeros) {
        if (!zeros_compete_) return;
        entries_.push_back({0.0, places_[positive], static_cast<std::int32_t>(positive)});
        --n_zeros;
    }

    Index n_labels_, n_known_ = 0;
    bool zeros_compete_, lists_known_ = false;
    std::vector<std::int32_t> listed_, columns_;
    std::vector<double> known_;
    std::vector<Index> places_;
    std::vector<PositiveRank> positives_;
    std::vector<Entry> entries_;
};

}  // namespace mlkit::metrics
