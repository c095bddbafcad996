#pragma once
// Subsets within a budget counted in halves (Horowitz & Sahni 1974): the ascending sums of either half, and two
// pointers that say how many pairs of them fit.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "mlkit/conformal/costs.hpp"
#include "mlkit/core/parallel.hpp"

namespace mlkit::conformal {

/// Ascending sums of all subsets, those above `most` left out; nothing when more than `list_cap` would be kept.
inline std::optional<std::vector<Cost>> subset_sums(const std::vector<Cost>& costs, Cost most, Index list_cap) {
    std::vector<Cost> sums{0}, merged;
    const std::size_t room = std::size_t{1} << std::min<std::size_t>(costs.size(), 12);
    sums.reserve(room);
    merged.reserve(room);
    for (const Cost d : costs) {
        const std::size_t n = sums.size();
        const auto n_moved =
            static_cast<std::size_t>(std::upper_bound(sums.begin(), sums.end(), most - d) - sums.begin());
        merged.reserve(n + n_moved + 1);  // one more than is needed here
        merged.resize(n + n_moved);
        const Cost* from = sums.data();
        Cost* to = merged.data();
        std::size_t kept = 0, moved = 0;
        while (kept < n && moved < n_moved) {  // without a branch on which is next: that is a coin toss
            const Cost a = from[kept], b = from[moved] + d;
            const bool takes_moved = b < a;
            *to++ = takes_moved ? b : a;
            moved += takes_moved;
            kept += !takes_moved;
        }
        for (; kept < n; ++kept) *to++ = from[kept];
        for (; moved < n_moved; ++moved) *to++ = from[moved] + d;
        sums.swap(merged);
        if (static_cast<Index>(sums.size()) > list_cap) return std::nullopt;
    }
    return sums;
}

/// Meet in the middle: the count at any budget up to `most`.
class MeetInTheMiddle {
  public:
    static std::optional<MeetInTheMiddle> build(const std::vector<Cost>& costs, Cost most, Index list_cap) {
        std::vector<Cost> halves[2];
        for (std::size_t k = 0; k < costs.size(); ++k) halves[k % 2].push_back(costs[k]);
        auto first = subset_sums(halves[0], most, list_cap);
        if (!first) return std::nullopt;
        auto second = subset_sums(halves[1], most, list_cap);
        if (!second) return std::nullopt;
        return MeetInTheMiddle{std::move(*first), std::move(*second)};
    }
    std::uint64_t count(Cost budget) const {
        std::uint64_t n = 0;
        std::size_t fit = second_.size();
        for (const Cost s : first_) {
            if (s > budget) break;
            while (fit > 0 && second_[fit - 1] > budget - s) --fit;
            n += fit;
        }
        return n;
    }

  private:
    MeetInTheMiddle(std::vector<Cost>&& first, std::vector<Cost>&& second)
        : first_(std::move(first)), second_(std::move(second)) {}

    std::vector<Cost> first_, second_;
};

/// The same for more subsets than lists can hold: the dearest elements are decided beforehand, in every way that fits,
/// and what is left of the budget by each is looked up in the lists of all others, several at a time. 2^(n/2) sums of
/// up to 2^24 in a list; 2^(n - 23) steps for n > 48.
class BranchesAndHalves {
  public:
    /// So many elements are counted in seconds.
    static constexpr std::size_t most_elements = 56;

    /// Of at most `most_elements` ascending costs and a budget >= 0.
    static std::uint64_t count(const std::vector<Cost>& ascending, Cost budget, const Team& team) {
        const Cost total = std::accumulate(ascending.begin(), ascending.end(), Cost{0});
        const std::uint64_t all = std::uint64_t{1} << ascending.size();
        if (budget >= total) return all;
        // a subset is beyond the budget when what it leaves out is within the rest of it
        if (budget > total / 2) return all - BranchesAndHalves(ascending, total - budget - 1).count(team);
        return BranchesAndHalves(ascending, budget).count(team);
    }

  private:
    static constexpr std::size_t most_in_lists = 48, n_lanes = 4;
    static constexpr Cost beyond = Cost{1} << 62;  // no sum of costs comes near

    BranchesAndHalves(const std::vector<Cost>& ascending, Cost budget)
        : listed_(ascending.begin(), ascending.begin() + std::min(ascending.size(), most_in_lists)) {
        left_ = std::accumulate(listed_.begin(), listed_.end(), Cost{0});
        decide(ascending, ascending.size(), budget);
        std::sort(rests_.begin(), rests_.end());
        if (rests_.empty()) return;
        std::vector<Cost> halves[2];
        for (std::size_t k = 0; k < listed_.size(); ++k) halves[k % 2].push_back(listed_[k]);
        const Index no_cap = Index{1} << most_in_lists;
        first_ = *subset_sums(halves[0], rests_.back(), no_cap);
        first_.push_back(beyond);
        second_ = *subset_sums(halves[1], rests_.back(), no_cap);
    }

    /// Notes what each subset of the elements that are not listed leaves of the budget.
    void decide(const std::vector<Cost>& ascending, std::size_t n_open, Cost rest) {
        if (rest < 0) return;
        if (n_open == listed_.size()) {
            if (rest >= left_)
                whole_ += std::uint64_t{1} << listed_.size();
            else
                rests_.push_back(rest);
            return;
        }
        decide(ascending, n_open - 1, rest);
        decide(ascending, n_open - 1, rest - ascending[n_open - 1]);
    }

    std::uint64_t count(const Team& team) const {
        std::vector<std::uint64_t> found((rests_.size() + n_lanes - 1) / n_lanes, 0);
        for_each_range(static_cast<Index>(rests_.size()), n_lanes, team, [&](Index begin, Index end, int) {
            found[static_cast<std::size_t>(begin) / n_lanes] = count_pairs(rests_.data() + begin, end - begin);
        });
        return std::accumulate(found.begin(), found.end(), whole_);
    }

    /// Pairs of sums within each of up to `n_lanes` ascending budgets, side by side: a step of one waits for its last,
    /// not for those of the others.
    std::uint64_t count_pairs(const Cost* budgets, Index n_budgets) const {
        const Cost most = budgets[n_budgets - 1];
        const auto n_within = [most](const std::vector<Cost>& sums) {
            return std::upper_bound(sums.begin(), sums.end(), most) - sums.begin();
        };
        const Cost *first = first_.data(), *second = second_.data();
        const Index n_first = n_within(first_), n_second = n_within(second_);
        Cost budget[n_lanes];
        Index at[n_lanes], fit[n_lanes];
        std::uint64_t n[n_lanes];
        for (std::size_t lane = 0; lane < n_lanes; ++lane) {
            budget[lane] = static_cast<Index>(lane) < n_budgets ? budgets[lane] : -1;
            at[lane] = 0;
            fit[lane] = n_second;
            n[lane] = 0;
        }
        for (Index step = n_first + n_second; step > 0; --step)  // on in the one list or back in the other
            for (std::size_t lane = 0; lane < n_lanes; ++lane) {
                const Index next = fit[lane] - (fit[lane] > 0);
                const bool fits = first[at[lane]] + second[next] <= budget[lane];
                n[lane] += fits ? static_cast<std::uint64_t>(fit[lane]) : 0;
                at[lane] += fits;
                fit[lane] = fits ? fit[lane] : next;
            }
        return std::accumulate(n, n + n_lanes, std::uint64_t{0});
    }

    std::vector<Cost> listed_, rests_, first_, second_;
    Cost left_ = 0;
    std::uint64_t whole_ = 0;
};

}  // namespace mlkit::conformal
