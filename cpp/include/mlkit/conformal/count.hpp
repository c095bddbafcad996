#pragma once
// How many subsets of given costs fit a budget: exactly where that is cheap, between two certified bounds elsewhere
// (counting the solutions of a knapsack is #P-hard). Never an estimate.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "mlkit/conformal/big_count.hpp"
#include "mlkit/conformal/costs.hpp"
#include "mlkit/conformal/flips.hpp"
#include "mlkit/conformal/subsets.hpp"
#include "mlkit/conformal/threshold_bdd.hpp"
#include "mlkit/core/simd.hpp"

namespace mlkit::conformal {

struct CountLimits {
    Index node_cap = 1'000'000;       ///< nodes of a decision diagram
    Index list_cap = Index{1} << 21;  ///< subset sums of one half
    Index n_buckets = 4096;           ///< of the bracket
};

struct SizeBound {
    BigCount lower, upper;
};

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

/// Meet in the middle (Horowitz & Sahni 1974): the sums of two halves, from which the count at any budget follows by
/// two pointers.
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

/// Bounds on the counts at any budget up to `most` by one pass of dynamic programming over rounded costs. With costs
/// d = w r + e rounded to whole buckets of width w, sum d <= B follows from w sum r <= B - E+ and implies
/// w sum r <= B + E-, where E+ and E- are the largest sums of errors up and down that a subset can collect which fits
/// by its rounded (its true) costs. Counts are doubles with a common exponent, widened by what their additions may have
/// rounded.
class CountBracket {
  public:
    CountBracket(const std::vector<Cost>& ascending, Cost most, Index n_buckets) : n_items_(ascending.size()) {
        width_ = std::max<Cost>(1, (most + n_buckets - 1) / n_buckets);
        std::vector<Cost> over, under, rounded;
        for (const Cost d : ascending) {
            rounded.push_back((d + width_ / 2) / width_);
            const Cost e = d - rounded.back() * width_;
            (e > 0 ? over : under).push_back(std::abs(e));
        }
        over_ = largest(over, n_that_fit(rounded, most / width_));
        under_ = largest(under, n_that_fit(ascending, most));
        const auto n = static_cast<std::size_t>((most + under_) / width_ + 1);
        counts_.assign(n, 0.0);
        counts_[0] = 1.0;
        for (const Cost r : rounded) add(static_cast<std::size_t>(r));
        std::partial_sum(counts_.begin(), counts_.end(), counts_.begin());
    }

    SizeBound at(Cost budget) const {
        const Scaled low = lower(budget), high = upper(budget);
        SizeBound bound{BigCount::from_scaled(low.mantissa, low.exponent, false),
                        BigCount::from_scaled(high.mantissa, high.exponent, true)};
        if (bound.lower < BigCount(1)) bound.lower = BigCount(1);  // the empty subset fits any budget >= 0
        const BigCount all = BigCount::power_of_two(static_cast<Index>(n_items_));
        if (all < bound.upper) bound.upper = all;
        return bound;
    }

    struct Scaled {
        double mantissa;
        Index exponent;
    };
    Scaled lower(Cost budget) const {
        const double counted = budget < over_ ? 0.0 : prefix(budget - over_);
        // what rescaling rounds up has grown to less than 2^-200 when it ends: nothing beside 2^-100
        if (is_rounded_ && counted < 0x1p-100) return {0.0, 0};
        return {counted * (1 - slack()), exponent_};
    }
    Scaled upper(Cost budget) const { return {prefix(budget + under_) * (1 + slack()), exponent_}; }

  private:
    static Index n_that_fit(const std::vector<Cost>& ascending, Cost budget) {
        Index n = 0;
        for (const Cost d : ascending) {
            if (d > budget) break;
            budget -= d;
            ++n;
        }
        return n;
    }
    static Cost largest(std::vector<Cost>& errors, Index n) {
        n = std::min<Index>(n, static_cast<Index>(errors.size()));
        std::partial_sort(errors.begin(), errors.begin() + n, errors.end(), std::greater<>());
        return std::accumulate(errors.begin(), errors.begin() + n, Cost{0});
    }
    void add(std::size_t r) {
        const std::size_t n = counts_.size();
        if (r >= n) return;
        if (r == 0) {
            for (double& c : counts_) c *= 2.0;
        } else {  // from the top in runs of at most r, so that what is read has not been written yet
            for (std::size_t end = n; end > r;) {
                const std::size_t begin = end - std::min(r, end - r);
                double* to = counts_.data() + begin;
                const double* from = to - r;
                const std::size_t length = end - begin;
                if (length < 4) {
                    for (std::size_t k = 0; k < length; ++k) to[k] += from[k];
                } else {
                    simd::add_to(to, from, static_cast<Index>(length));
                }
                end = begin;
            }
        }
        if (++n_doubled_ < 800) return;
        n_doubled_ = 0;
        if (*std::max_element(counts_.begin(), counts_.end()) < 0x1p100) return;
        for (double& c : counts_) {  // rounded up where they would vanish: upper bounds stay upper bounds
            if (c > 0.0) c = std::max(c * 0x1p-800, std::numeric_limits<double>::min());
        }
        exponent_ += 800;
        is_rounded_ = true;
    }
    /// Sums below 2^53 are exact; above, each of the additions that a count went through may round.
    double slack() const {
        if (!is_rounded_ && counts_.back() < 0x1p53) return 0.0;
        return 0x1p-52 * static_cast<double>(n_items_ + counts_.size() + 4);
    }
    double prefix(Cost budget) const {
        const auto at = static_cast<std::size_t>(budget / width_);
        return counts_[std::min(at, counts_.size() - 1)];
    }

    std::size_t n_items_;
    Cost width_ = 1, over_ = 0, under_ = 0;
    std::vector<double> counts_;
    Index exponent_ = 0;
    int n_doubled_ = 0;  // each item at most doubles the counts
    bool is_rounded_ = false;
};

/// Number of subsets of ascending costs, each within the budget >= 0, by whichever engine is expected to be cheapest.
inline SizeBound count_subsets(const std::vector<Cost>& ascending, Cost budget, const CountLimits& limits) {
    const auto n = static_cast<Index>(ascending.size());
    const auto exactly = [](BigCount count) { return SizeBound{count, count}; };
    Cost total = 0;
    for (const Cost d : ascending) total += d;
    if (total <= budget) return exactly(BigCount::power_of_two(n));
    constexpr Index small = 24;  // 2 * 2^12 sums are cheaper than any diagram
    if (n <= small) {
        const std::uint64_t few = std::uint64_t{16} << (n / 2);  // sets that are quicker to walk than the sums to make
        const std::uint64_t walked = count_one_by_one(ascending, budget, few);
        if (walked <= few) return exactly(BigCount(walked));
        if (const auto halves = MeetInTheMiddle::build(ascending, budget, limits.list_cap))
            return exactly(BigCount(halves->count(budget)));
    }
    const std::vector<Cost> descending(ascending.rbegin(), ascending.rend());
    if (const auto bdd = ThresholdBdd::build(descending, budget, limits.node_cap)) return exactly(bdd->count());
    if (n <= 62)  // a count of them fits a word
        if (const auto halves = MeetInTheMiddle::build(ascending, budget, limits.list_cap))
            return exactly(BigCount(halves->count(budget)));
    return CountBracket(ascending, budget, limits.n_buckets).at(budget);
}

/// Costs of a row's labels that can be turned round within the threshold, ascending; for a maximum they count as free.
inline std::vector<Cost> affordable(const FlipRows& rows, Index i, Cost threshold) {
    std::vector<Cost> costs;
    const auto note = [&](Cost d, Index times) {
        if (rows.flipped(i, d) <= threshold)
            costs.insert(costs.end(), static_cast<std::size_t>(times), rows.is_maximum() ? 0 : std::abs(d));
    };
    for (Index at = rows.begin(i); at < rows.end(i); ++at) note(rows.differences[at], 1);
    if (rows.indptr) note(rows.implicit, rows.n_labels - (rows.end(i) - rows.begin(i)));
    std::sort(costs.begin(), costs.end());
    return costs;
}

/// Sizes of all rows' regions.
inline std::vector<SizeBound> count_regions(const FlipRows& rows, const Cost* thresholds, const CountLimits& limits,
                                            const Team& team) {
    std::vector<SizeBound> sizes(static_cast<std::size_t>(rows.n_rows));
    for_each_range(rows.n_rows, 1, team, [&](Index first, Index, int) {
        const Cost tau = thresholds[first];
        if (tau < rows.best[first]) return;
        const Cost budget = tau == no_limit ? no_limit : tau - rows.best[first];
        sizes[static_cast<std::size_t>(first)] = count_subsets(affordable(rows, first, tau), budget, limits);
    });
    return sizes;
}

/// Sums over thresholds of the sizes that each row's region would have at them: lower and upper bounds as doubles
/// (infinite where they leave the range). `sorted` ascends.
inline void total_sizes(const FlipRows& rows, const Cost* sorted, Index n_thresholds, const CountLimits& limits,
                        const Team& team, double* lower, double* upper) {
    for_each_range(rows.n_rows, 1, team, [&](Index i, Index, int) {
        lower[i] = upper[i] = 0.0;
        const Cost most = n_thresholds ? sorted[n_thresholds - 1] : 0;
        if (n_thresholds == 0 || most < rows.best[i]) return;
        if (rows.is_maximum()) {
            for (Index t = 0; t < n_thresholds; ++t)
                if (sorted[t] >= rows.best[i])
                    lower[i] += std::ldexp(1.0, static_cast<int>(affordable(rows, i, sorted[t]).size()));
            upper[i] = lower[i];
            return;
        }
        const std::vector<Cost> costs = affordable(rows, i, most);
        const auto each = [&](auto&& add) {
            for (Index t = 0; t < n_thresholds; ++t)
                if (sorted[t] >= rows.best[i]) add(sorted[t] - rows.best[i]);
        };
        constexpr Index middling = 26;
        if (static_cast<Index>(costs.size()) <= middling) {
            const auto halves = MeetInTheMiddle::build(costs, most - rows.best[i], limits.list_cap);
            each([&](Cost budget) { lower[i] += static_cast<double>(halves->count(budget)); });
            upper[i] = lower[i];
            return;
        }
        const CountBracket bracket(costs, most - rows.best[i], limits.n_buckets);
        const auto plain = [](const CountBracket::Scaled& s) {
            return std::ldexp(s.mantissa, static_cast<int>(std::min<Index>(s.exponent, 100'000)));
        };
        each([&](Cost budget) {
            lower[i] += std::max(1.0, plain(bracket.lower(budget)));
            upper[i] += plain(bracket.upper(budget));
        });
    });
}

}  // namespace mlkit::conformal
