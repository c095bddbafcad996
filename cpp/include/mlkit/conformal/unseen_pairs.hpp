#pragma once
// A sum over the labels plus a weight for each pair of labels that a set holds and that was never seen together
// (Paisios et al. 2019, Eq. 8). The penalty is never negative, so that a set within the budget is one of the sum's sets
// within it: the walk over the sum's sets (subsets of ascending flip costs) carries the penalty of the labels decided
// so far, which can only grow, and leaves a branch when both exceed the budget.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <vector>

#include "mlkit/conformal/count.hpp"
#include "mlkit/conformal/flips.hpp"
#include "mlkit/core/cells.hpp"

namespace mlkit::conformal {

class PairSearch;

/// What was fitted: the pairs that were seen, both triangles, ascending; and for searches, row-major bits of those that
/// were not (null: membership only).
struct PairForm {
    using Number = Cost;
    using Search = PairSearch;

    Index n_labels = 0;
    Cost weight = 0;
    ScoreRule rule;
    const Index* indptr = nullptr;
    const std::int32_t* indices = nullptr;
    const std::uint64_t* unseen = nullptr;

    Index n_words() const { return (n_labels + 63) / 64; }
    bool is_seen(std::int32_t a, std::int32_t b) const {
        return std::binary_search(indices + indptr[a], indices + indptr[a + 1], b);
    }
};

/// Scores of given label sets; unknown cells are left out.
inline void score_sets(const Cells& cells, const PairForm& form, const Team& whole, Cost* out) {
    score_sets(cells, form.rule, whole, out);
    const LabelView& labels = cells.labels;
    for_each_range(labels.n_rows, 64, whole.for_work(16 * labels.n_stored()), [&](Index first, Index last, int) {
        std::vector<std::int32_t> given;
        for (Index i = first; i < last; ++i) {
            const LabelRow row = labels.row(i);
            given.clear();
            for (Index k = 0; k < row.size; ++k)
                if (row.value(k) == 1) given.push_back(row.labels[k]);
            Cost n_unseen = 0;
            for (std::size_t a = 0; a < given.size(); ++a)
                for (std::size_t b = a + 1; b < given.size(); ++b) n_unseen += !form.is_seen(given[a], given[b]);
            out[i] += form.weight * n_unseen;
        }
    });
}

/// A set of labels as bits.
class LabelBits {
  public:
    explicit LabelBits(Index n_words) : words_(static_cast<std::size_t>(n_words), 0) {}

    void clear() { std::fill(words_.begin(), words_.end(), 0); }
    void add(Index k) { words_[static_cast<std::size_t>(k / 64)] |= std::uint64_t{1} << (k % 64); }
    void remove(Index k) { words_[static_cast<std::size_t>(k / 64)] &= ~(std::uint64_t{1} << (k % 64)); }
    Index n_in_common(const std::uint64_t* other) const {
        Index n = 0;
        for (std::size_t w = 0; w < words_.size(); ++w) n += count(words_[w] & other[w]);
        return n;
    }

  private:
    static Index count(std::uint64_t x) {
        Index n = 0;
        for (; x; x &= x - 1) ++n;  // seldom more than one or two
        return n;
    }

    std::vector<std::uint64_t> words_;
};

/// The search for one example after the other; owns the memory for it.
class PairSearch {
  public:
    explicit PairSearch(const PairForm& form)
        : form_(form), n_(form.n_labels), cost_(form.rule), ones_(form.n_words()), allowed_(form.n_words()) {
        flip_.resize(static_cast<std::size_t>(n_));
        base_.resize(static_cast<std::size_t>(n_));
        set_.resize(static_cast<std::size_t>(n_));
        forced_.assign(static_cast<std::size_t>(n_), free);
        order_.resize(static_cast<std::size_t>(n_));
    }

    void load(const double* p) {
        least_ = 0;
        for (Index k = 0; k < n_; ++k) {
            const CellCosts c = cost_(p[k]);
            base_[at(k)] = c.one < c.zero;
            flip_[at(k)] = std::abs(c.one - c.zero);
            least_ += std::min(c.zero, c.one);
        }
        std::iota(order_.begin(), order_.end(), Index{0});
        std::stable_sort(order_.begin(), order_.end(), [&](Index a, Index b) { return flip_[at(a)] < flip_[at(b)]; });
        order_of_ones_.clear();
        for (const Index k : order_)
            if (base_[at(k)]) order_of_ones_.push_back(k);
        for (const Index k : forced_labels_) forced_[at(k)] = free;
        forced_labels_.clear();
    }

    void force(Index label, bool value) {
        forced_[at(label)] = value ? one : zero;
        forced_labels_.push_back(label);
    }
    void release(Index label) {
        forced_[at(label)] = free;
        forced_labels_.erase(std::find(forced_labels_.begin(), forced_labels_.end(), label));
    }

    template <class Visit>
    void walk(Cost& tau, Visit&& visit, bool = false) {
        walk_over(order_, tau, visit);
    }

    template <class Pause>
    std::optional<std::uint64_t> count(Cost tau, Index most, const Pause& pause) {
        Index n = 0;
        walk(tau, [&](const std::uint8_t*, Cost) {
            if (++n % between_pauses == 0) pause();
            return n <= most;
        });
        if (n > most) return std::nullopt;
        return static_cast<std::uint64_t>(n);
    }

    /// Adding a label costs and cannot lower the penalty: only labels of the sum's best set are in question.
    Cost minimise(std::uint8_t* best) {
        Cost tau = no_limit, least = no_limit;
        walk_over(order_of_ones_, tau, [&](const std::uint8_t* set, Cost score) {
            std::copy(set, set + n_, best);
            least = score;
            tau = score - 1;  // from here on only what is better
            return true;
        });
        return least;
    }

    Cost highest_score() const {
        return std::accumulate(flip_.begin(), flip_.end(), least_) + form_.weight * (n_ * (n_ - 1) / 2);
    }
    /// Of each label 0, 1 or 2, by the best set that contradicts it.
    void project(Cost tau, std::uint8_t* out) {
        std::vector<std::uint8_t> best(static_cast<std::size_t>(n_)), other(best);
        if (minimise(best.data()) > tau) {
            std::fill(out, out + n_, std::uint8_t{2});
            return;
        }
        for (Index k = 0; k < n_; ++k) {
            out[k] = best[at(k)];
            if (flip_[at(k)] > tau - least_ && base_[at(k)] == best[at(k)]) continue;  // the sum alone decides it
            force(k, !best[at(k)]);
            if (minimise(other.data()) <= tau) out[k] = 2;
            release(k);
        }
    }

    /// Exact where no two labels of the region's sets make an unseen pair: a sum's region then.
    std::optional<SizeBound> known_size(Cost tau, const CountLimits& limits) {
        if (tau < least_) return SizeBound{};
        allowed_.clear();
        for (Index k = 0; k < n_; ++k)
            if (base_[at(k)] || flip_[at(k)] <= tau - least_) allowed_.add(k);
        for (Index k = 0; k < n_; ++k)
            if ((base_[at(k)] || flip_[at(k)] <= tau - least_) && allowed_.n_in_common(unseen(k))) return std::nullopt;
        const std::vector<Cost> costs = affordable(tau);
        SizeBound size = count_subsets(costs, tau - least_, limits);
        count_in_branches(costs, tau - least_, limits, Team{}, size);
        return size;
    }
    /// At most as many as without the penalty.
    BigCount upper_bound(Cost tau, const CountLimits& limits) const {
        return count_subsets(affordable(tau), tau - least_, limits).upper;
    }
    /// At least those that leave the labels of the best set or take them away, and add labels that were all seen with
    /// these and with each other: none of them has a larger penalty than the sum's best set.
    BigCount lower_bound(Cost tau, const CountLimits& limits) {
        Cost rest = tau - least_;
        ones_.clear();
        std::vector<Cost> costs;
        for (const Index k : order_of_ones_) {
            rest -= form_.weight * ones_.n_in_common(unseen(k));
            ones_.add(k);
        }
        if (rest < 0) return BigCount();
        for (const Index k : order_) {
            if (flip_[at(k)] > rest) break;
            if (!base_[at(k)]) {
                if (ones_.n_in_common(unseen(k))) continue;
                ones_.add(k);
            }
            costs.push_back(flip_[at(k)]);
        }
        return count_subsets(costs, rest, limits).lower;
    }

  private:
    enum : std::uint8_t { free, zero, one };
    static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
    const std::uint64_t* unseen(Index k) const { return form_.unseen + k * form_.n_words(); }
    Cost penalty(Index k) const { return form_.weight * ones_.n_in_common(unseen(k)); }

    std::vector<Cost> affordable(Cost tau) const {
        std::vector<Cost> costs;
        for (const Index k : order_) {
            if (flip_[at(k)] > tau - least_) break;
            costs.push_back(flip_[at(k)]);
        }
        return costs;
    }

    /// Decides beforehand what is forced or too dear, then walks over the rest; `labels` are those that may be turned
    /// round, the cheapest first.
    template <class Visit>
    void walk_over(const std::vector<Index>& labels, Cost& tau, Visit&& visit) {
        Cost spent = least_;
        ones_.clear();
        std::copy(base_.begin(), base_.end(), set_.begin());
        const auto decide = [&](Index k, bool value) {
            set_[at(k)] = value;
            if (value != static_cast<bool>(base_[at(k)])) spent += flip_[at(k)];
            if (!value) return;
            spent += penalty(k);
            ones_.add(k);
        };
        for (const Index k : forced_labels_) decide(k, forced_[at(k)] == one);
        const Cost budget = tau == no_limit ? no_limit : tau - least_;
        for (const Index k : order_of_ones_)
            if (forced_[at(k)] == free && flip_[at(k)] > budget) decide(k, true);
        open_.clear();
        for (const bool value : {true, false})
            for (const Index k : labels) {
                if (flip_[at(k)] > budget) break;
                if (forced_[at(k)] == free && static_cast<bool>(base_[at(k)]) == value) open_.push_back(k);
            }
        n_ones_ = 0;
        while (n_ones_ < open_.size() && base_[at(open_[n_ones_])]) ++n_ones_;
        is_going_ = true;
        if (spent <= tau) descend(0, spent, tau, visit);
    }

    /// Open labels before `start` are decided; those of them and of the decided ones that are 1 are in `ones_`. Labels
    /// of the sum's best set come first: once they are decided, whatever is added has a known price.
    template <class Visit>
    void descend(std::size_t start, Cost spent, Cost& tau, Visit& visit) {
        Cost total = spent, bound = spent;
        for (std::size_t j = start; j < n_ones_; ++j)  // each stays, and pays for those before, or is taken away
            bound += std::min(flip_[at(open_[j])], penalty(open_[j]));
        if (bound > tau) return;
        for (std::size_t j = start; j < n_ones_; ++j) {
            total += penalty(open_[j]);
            ones_.add(open_[j]);
        }
        for (std::size_t j = start; j < n_ones_; ++j) ones_.remove(open_[j]);
        if (total <= tau) is_going_ = visit(set_.data(), total);
        std::size_t j = start;
        for (; is_going_ && j < n_ones_ && spent <= tau; ++j) {
            const Index k = open_[j];
            if (spent + flip_[at(k)] <= tau) {
                set_[at(k)] = 0;
                descend(j + 1, spent + flip_[at(k)], tau, visit);
                set_[at(k)] = 1;
            }
            spent += penalty(k);  // and now it stays
            ones_.add(k);
        }
        const std::size_t n_kept = j;
        for (j = std::max(j, n_ones_); is_going_ && j < open_.size(); ++j) {
            const Index k = open_[j];
            if (spent + flip_[at(k)] > tau) break;
            const Cost added = spent + flip_[at(k)] + penalty(k);
            if (added > tau) continue;
            set_[at(k)] = 1;
            ones_.add(k);
            descend(j + 1, added, tau, visit);
            ones_.remove(k);
            set_[at(k)] = 0;
        }
        for (j = start; j < n_kept; ++j) ones_.remove(open_[j]);
    }

    const PairForm form_;
    Index n_;
    CostRule cost_;
    Cost least_ = 0;
    std::vector<Cost> flip_;
    std::vector<Index> order_, order_of_ones_, forced_labels_, open_;
    std::size_t n_ones_ = 0;  // of the open labels, these first
    std::vector<std::uint8_t> base_, forced_, set_;
    LabelBits ones_, allowed_;
    bool is_going_ = true;
};

}  // namespace mlkit::conformal
