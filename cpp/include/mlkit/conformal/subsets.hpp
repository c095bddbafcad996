#pragma once
// Subsets of ascending costs within a budget, one after the other. A label set of a region is the best set with such a
// subset of its labels turned round.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "mlkit/conformal/costs.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit::conformal {

/// Whether the cost of a subset is the sum of its members' costs or the largest of them.
enum class Combine { sum, maximum };

/// All subsets in depth-first order, each found in constant amortised time: a subset is extended by later (dearer)
/// elements only, and since costs ascend the first one that does not fit ends the search below it. The walk can be
/// stopped after any subset and taken up again.
class DepthFirst {
  public:
    DepthFirst(std::vector<Cost> costs, Cost budget, Combine combine)
        : costs_(std::move(costs)), rest_(budget), budget_(budget), combine_(combine) {}

    /// Moves on; the first call arrives at the empty subset. False when there are no more.
    bool next() {
        if (!started_) {
            started_ = true;
            return budget_ >= 0;
        }
        if (budget_ < 0 || is_done_) return false;
        std::int32_t candidate = chosen_.empty() ? 0 : chosen_.back() + 1;
        for (;;) {
            if (candidate < static_cast<std::int32_t>(costs_.size()) && cost(candidate) <= rest_) {
                chosen_.push_back(candidate);
                if (combine_ == Combine::sum) rest_ -= cost(candidate);
                return true;
            }
            if (chosen_.empty()) {
                is_done_ = true;
                return false;
            }
            const std::int32_t last = chosen_.back();
            chosen_.pop_back();
            if (combine_ == Combine::sum) rest_ += cost(last);
            candidate = last + 1;
        }
    }
    /// Members of the subset arrived at, ascending.
    const std::vector<std::int32_t>& chosen() const { return chosen_; }
    Cost spent() const {
        if (combine_ == Combine::sum) return budget_ - rest_;
        return chosen_.empty() ? 0 : cost(chosen_.back());
    }

  private:
    Cost cost(std::int32_t at) const { return costs_[static_cast<std::size_t>(at)]; }

    std::vector<Cost> costs_;
    Cost rest_, budget_;
    Combine combine_;
    bool started_ = false, is_done_ = false;
    std::vector<std::int32_t> chosen_;
};

/// Subsets by non-decreasing cost. Each non-empty subset has one predecessor: without its last element where the
/// element before that is in, else with its last element moved one down. A heap over the successors gives them in
/// order, O(log m) for the m-th; equal costs come in the order of discovery.
class ByCost {
  public:
    ByCost(std::vector<Cost> costs, Cost budget, Combine combine)
        : costs_(std::move(costs)), budget_(budget), combine_(combine) {}

    bool next() {
        if (!started_) {
            started_ = true;
            if (budget_ < 0) return false;
            push(0, -1, 0);
            return true;
        }
        if (heap_.empty()) return false;
        current_ = heap_.top().second;
        heap_.pop();
        const Node node = nodes_[static_cast<std::size_t>(current_)];
        push(node.last + 1, current_, node.cost);
        const Cost without = combine_ == Combine::sum ? node.cost - cost(node.last) : 0;
        push(node.last + 1, node.parent, without);
        return true;
    }
    std::vector<std::int32_t> chosen() const {
        std::vector<std::int32_t> members;
        for (std::int32_t at = current_; at >= 0; at = nodes_[static_cast<std::size_t>(at)].parent)
            members.push_back(nodes_[static_cast<std::size_t>(at)].last);
        std::reverse(members.begin(), members.end());
        return members;
    }
    Cost spent() const { return current_ < 0 ? 0 : nodes_[static_cast<std::size_t>(current_)].cost; }

  private:
    struct Node {
        Cost cost;
        std::int32_t last, parent;  // the subset: the parent's with `last` added
    };

    Cost cost(std::int32_t at) const { return costs_[static_cast<std::size_t>(at)]; }
    void push(std::int32_t last, std::int32_t parent, Cost base) {
        if (last >= static_cast<std::int32_t>(costs_.size())) return;
        const Cost total = combine_ == Combine::sum ? base + cost(last) : cost(last);
        if (total > budget_) return;
        heap_.emplace(total, static_cast<std::int32_t>(nodes_.size()));
        nodes_.push_back({total, last, parent});
    }

    using Entry = std::pair<Cost, std::int32_t>;
    std::vector<Cost> costs_;
    Cost budget_;
    Combine combine_;
    bool started_ = false;
    std::int32_t current_ = -1;
    std::vector<Node> nodes_;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
};

namespace detail {

/// Depth-first below one choice, with the bit pattern carried along; `emit` gets each pattern.
template <class Emit>
void walk_bits(const Cost* costs, const std::uint64_t* bits, std::int32_t first, std::int32_t n, Cost rest,
               std::uint64_t pattern, Emit& emit) {
    for (std::int32_t j = first; j < n && costs[j] <= rest; ++j) {
        emit(pattern ^ bits[j]);
        if (j + 1 < n && costs[j + 1] <= rest - costs[j])
            walk_bits(costs, bits, j + 1, n, rest - costs[j], pattern ^ bits[j], emit);
    }
}

/// Non-empty subsets of costs[first..end) within `rest`, where each of these elements fits alone; gives up above
/// `most`. An element is extended while the next one fits beside it; those after it stand alone and are counted at
/// once.
inline std::uint64_t walk_count(const Cost* costs, std::int32_t first, std::int32_t end, Cost rest,
                                std::uint64_t most) {
    auto count = static_cast<std::uint64_t>(end - first);
    for (std::int32_t j = first, fits = end; j + 1 < end && costs[j + 1] <= rest - costs[j] && count <= most; ++j) {
        while (costs[fits - 1] > rest - costs[j]) --fits;  // what fits beside an element shrinks from one to the next
        count += walk_count(costs, j + 1, fits, rest - costs[j], most);
    }
    return count;
}

}  // namespace detail

/// Number of subsets of ascending costs within a budget >= 0, by walking; some number above `most` where there are
/// more.
inline std::uint64_t count_one_by_one(const std::vector<Cost>& costs, Cost budget, std::uint64_t most) {
    const auto end = std::upper_bound(costs.begin(), costs.end(), budget) - costs.begin();
    return 1 + detail::walk_count(costs.data(), 0, static_cast<std::int32_t>(end), budget, most);
}

/// The first `most` label sets of at most 64 labels as bit patterns, depth-first; `bits` are the labels' bits in the
/// order of the costs. Returns how many were written.
inline Index write_bits(const std::vector<Cost>& costs, const std::vector<std::uint64_t>& bits, Cost budget,
                        std::uint64_t best, Index most, std::uint64_t* out) {
    struct Full {};
    Index n = 0;
    const auto emit = [&](std::uint64_t pattern) {
        if (n == most) throw Full{};
        out[n++] = pattern;
    };
    if (budget < 0) return 0;
    try {
        emit(best);
        detail::walk_bits(costs.data(), bits.data(), 0, static_cast<std::int32_t>(costs.size()), budget, best, emit);
    } catch (const Full&) {
    }
    return n;
}

}  // namespace mlkit::conformal
