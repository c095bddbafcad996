#pragma once
// The subsets within a budget as a decision diagram (Behle 2007: threshold BDDs; the memo of budget intervals follows
// Abio et al. 2012). Elements are decided one by one, the dearest first; two states of the same level are one node when
// every continuation that fits the one fits the other. Counting, ranking and sampling walk the nodes, not the subsets.

#include <map>
#include <optional>
#include <vector>

#include "mlkit/conformal/big_count.hpp"
#include "mlkit/conformal/costs.hpp"

namespace mlkit::conformal {

class ThresholdBdd {
  public:
    /// Child "no subset" and child "all subsets of the elements that are left".
    static constexpr std::int32_t nothing = -1, everything = -2;
    /// Elements beyond which no diagram is tried (the construction recurses once for each).
    static constexpr Index most_elements = 4000;

    /// Of descending costs and a budget >= 0; nothing when there would be more than `node_cap` nodes.
    static std::optional<ThresholdBdd> build(const std::vector<Cost>& descending, Cost budget, Index node_cap) {
        if (static_cast<Index>(descending.size()) > most_elements) return std::nullopt;
        ThresholdBdd bdd(descending, node_cap);
        const Piece root = bdd.go(0, budget);
        if (bdd.is_full_) return std::nullopt;
        bdd.root_ = root.node;
        bdd.memo_.clear();
        return bdd;
    }

    std::int32_t root() const { return root_; }
    Index n_nodes() const { return static_cast<Index>(level_.size()); }
    std::size_t n_words() const { return n_words_; }
    const std::vector<std::int32_t>& level() const { return level_; }
    const std::vector<std::int32_t>& without() const { return without_; }  ///< child without the level's element
    const std::vector<std::int32_t>& with() const { return with_; }        ///< child with it
    const std::vector<std::uint64_t>& words() const { return words_; }     ///< count of each node, n_words() words each

    BigCount count() const {
        if (root_ == nothing) return BigCount();
        if (root_ == everything) return BigCount::power_of_two(static_cast<Index>(costs_.size()));
        return BigCount::from_words(words_.data() + static_cast<std::size_t>(root_) * n_words_, n_words_);
    }

  private:
    /// A node and the budgets, both ends included, that mean the same sub-diagram.
    struct Piece {
        Cost low, high;
        std::int32_t node;
    };

    ThresholdBdd(const std::vector<Cost>& descending, Index node_cap)
        : costs_(descending),
          node_cap_(node_cap),
          n_words_(descending.size() / 64 + 1),
          left_(descending.size() + 1, 0),
          memo_(descending.size()) {
        for (std::size_t i = costs_.size(); i-- > 0;) left_[i] = left_[i + 1] + costs_[i];
    }

    static constexpr Cost far = std::numeric_limits<Cost>::max() / 2;  // no sum of costs comes near
    static Cost plus(Cost a, Cost b) { return a >= far ? far : a <= -far ? -far : a + b; }

    Piece go(std::size_t i, Cost budget) {
        if (is_full_) return {0, 0, nothing};
        if (budget < 0) return {-far, -1, nothing};
        if (budget >= left_[i]) return {left_[i], far, everything};
        auto& memo = memo_[i];
        auto after = memo.upper_bound(budget);
        if (after != memo.begin()) {
            const Piece& known = std::prev(after)->second;
            if (budget <= known.high) return known;
        }
        const Piece without = go(i + 1, budget), with = go(i + 1, budget - costs_[i]);
        if (static_cast<Index>(level_.size()) >= node_cap_) is_full_ = true;
        if (is_full_) return {0, 0, nothing};
        const Piece piece{std::max(without.low, plus(with.low, costs_[i])),
                          std::min(without.high, plus(with.high, costs_[i])), static_cast<std::int32_t>(level_.size())};
        level_.push_back(static_cast<std::int32_t>(i));
        without_.push_back(without.node);
        with_.push_back(with.node);
        words_.resize(words_.size() + n_words_, 0);
        std::uint64_t* sum = words_.data() + words_.size() - n_words_;
        add_count(sum, without.node, i + 1);
        add_count(sum, with.node, i + 1);
        memo.emplace(piece.low, piece);
        return piece;
    }

    void add_count(std::uint64_t* sum, std::int32_t node, std::size_t level) const {
        if (node == nothing) return;
        if (node == everything) {
            const std::size_t exponent = costs_.size() - level;
            return add(sum, exponent / 64, std::uint64_t{1} << (exponent % 64));
        }
        const std::uint64_t* words = words_.data() + static_cast<std::size_t>(node) * n_words_;
        for (std::size_t k = 0; k < n_words_; ++k)
            if (words[k]) add(sum, k, words[k]);
    }
    void add(std::uint64_t* sum, std::size_t at, std::uint64_t value) const {
        for (; value && at < n_words_; ++at) {
            sum[at] += value;
            value = sum[at] < value;  // the carry
        }
    }

    std::vector<Cost> costs_;
    Index node_cap_;
    std::size_t n_words_;
    std::vector<Cost> left_;  // cost of all elements from here on
    std::vector<std::map<Cost, Piece>> memo_;
    bool is_full_ = false;
    std::int32_t root_ = nothing;
    std::vector<std::int32_t> level_, without_, with_;
    std::vector<std::uint64_t> words_;
};

}  // namespace mlkit::conformal
