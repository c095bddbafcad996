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
#include "mlkit/conformal/halves.hpp"
#include "mlkit/conformal/subsets.hpp"
#include "mlkit/conformal/threshold_bdd.hpp"
#include "mlkit/core/simd.hpp"

namespace mlkit::conformal {

/// How far to go for an exact count.
struct CountLimits {
    Index node_cap = 4096;                               ///< nodes of a decision diagram
    Index list_cap = Index{1} << 16;                     ///< subset sums of one half
    std::uint64_t most_walked = std::uint64_t{1} << 17;  ///< subsets that are gone through one by one
    Index n_buckets = 4096;                              ///< of the bracket
    bool in_branches = false;  ///< whether `BranchesAndHalves` may take seconds and some 300 MB for one count

    static CountLimits exact(Index node_cap, Index n_buckets) {
        return {node_cap, Index{1} << 21, std::uint64_t{1} << 28, n_buckets, true};
    }
};

constexpr Index between_pauses = Index{1} << 18;  ///< sets that a walk goes through until it looks for Ctrl-C

struct SizeBound {
    BigCount lower, upper;
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

/// What the number of subsets would be were their costs normally distributed: to choose an engine by, nothing else.
inline double likely_count(const std::vector<Cost>& costs, Cost budget) {
    double sum = 0.0, squares = 0.0;
    for (const Cost d : costs) {
        const double x = static_cast<double>(d);
        sum += x;
        squares += x * x;
    }
    const double z = (2.0 * static_cast<double>(budget) - sum) / std::sqrt(2.0 * squares);
    return std::ldexp(std::erfc(-z), static_cast<int>(costs.size()) - 1);
}

inline Index n_distinct(const std::vector<Cost>& ascending) {
    Index n = 0;
    for (std::size_t k = 0; k < ascending.size(); ++k) n += k == 0 || ascending[k] != ascending[k - 1];
    return n;
}

/// Number of subsets of ascending costs, each within the budget >= 0, by whichever engine is expected to be cheapest.
inline SizeBound count_subsets(const std::vector<Cost>& ascending, Cost budget, const CountLimits& limits) {
    const auto n = static_cast<Index>(ascending.size());
    const auto exactly = [](BigCount count) { return SizeBound{count, count}; };
    Cost total = 0;
    for (const Cost d : ascending) total += d;
    if (total <= budget) return exactly(BigCount::power_of_two(n));
    constexpr Index small = 24;  // 2 * 2^12 sums are cheaper than any diagram
    if (n <= small) {
        const double few = std::ldexp(8.0, static_cast<int>(n / 2));  // quicker to walk than the sums are to make
        if (likely_count(ascending, budget) <= few) {
            const auto most = static_cast<std::uint64_t>(4.0 * few);
            const std::uint64_t walked = count_one_by_one(ascending, budget, most);
            if (walked <= most) return exactly(BigCount(walked));
        }
        if (const auto halves = MeetInTheMiddle::build(ascending, budget, limits.list_cap))
            return exactly(BigCount(halves->count(budget)));
    }
    constexpr std::uint64_t handful = 1 << 13;  // quicker to walk than bounds are to have
    const std::uint64_t n_walked = count_one_by_one(ascending, budget, handful);
    if (n_walked <= handful) return exactly(BigCount(n_walked));
    const SizeBound bound = CountBracket(ascending, budget, limits.n_buckets).at(budget);
    if (bound.lower == bound.upper) return bound;
    const auto walked = [&](std::uint64_t most) { return !(BigCount(most) < bound.upper); };
    constexpr std::uint64_t few = std::uint64_t{1} << 17;  // quicker to walk than a diagram is to make
    const auto walk = [&] { return exactly(BigCount(count_one_by_one(ascending, budget, limits.most_walked))); };
    if (walked(few)) return walk();
    const bool in_halves = n <= 62;  // a count of them fits a word
    // many equal costs make small diagrams of any number of subsets, few do not
    const auto diagram = [&](Index node_cap) {
        return ThresholdBdd::build({ascending.rbegin(), ascending.rend()}, budget, node_cap);
    };
    constexpr Index quick = 1 << 14;
    const bool is_worthwhile = limits.in_branches || n_distinct(ascending) <= n / 2 || walked(16 * few);
    if (is_worthwhile)
        if (const auto bdd = diagram(in_halves ? std::min(limits.node_cap, quick) : limits.node_cap))
            return exactly(bdd->count());
    if (in_halves)
        if (const auto halves = MeetInTheMiddle::build(ascending, budget, limits.list_cap))
            return exactly(BigCount(halves->count(budget)));
    if (walked(limits.most_walked)) return walk();
    if (n <= static_cast<Index>(BranchesAndHalves::most_elements)) return bound;  // `count_in_branches` is for these
    if (is_worthwhile && in_halves && quick < limits.node_cap)
        if (const auto bdd = diagram(limits.node_cap)) return exactly(bdd->count());
    return bound;
}

/// Makes a bound exact that `count_subsets` could not, where that was asked for.
inline void count_in_branches(const std::vector<Cost>& ascending, Cost budget, const CountLimits& limits,
                              const Team& team, SizeBound& size) {
    if (!limits.in_branches || size.lower == size.upper || ascending.size() > BranchesAndHalves::most_elements) return;
    size.lower = size.upper = BigCount(BranchesAndHalves::count(ascending, budget, team));
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

/// Ascending scores of the best sets that contradict a row's best set in each of its labels.
inline std::vector<Cost> flipped_scores(const FlipRows& rows, Index i) {
    std::vector<Cost> scores;
    for (Index at = rows.begin(i); at < rows.end(i); ++at) scores.push_back(rows.flipped(i, rows.differences[at]));
    if (rows.indptr)
        scores.insert(scores.end(), static_cast<std::size_t>(rows.n_labels - (rows.end(i) - rows.begin(i))),
                      rows.flipped(i, rows.implicit));
    std::sort(scores.begin(), scores.end());
    return scores;
}

/// Sizes of all rows' regions. What needs `count_in_branches` comes last, a row at a time with all threads: its lists
/// are large.
inline std::vector<SizeBound> count_regions(const FlipRows& rows, const Cost* thresholds, const CountLimits& limits,
                                            const Team& team) {
    std::vector<SizeBound> sizes(static_cast<std::size_t>(rows.n_rows));
    const auto budget_of = [&](Index i) { return thresholds[i] == no_limit ? no_limit : thresholds[i] - rows.best[i]; };
    for_each_range(rows.n_rows, 1, team, [&](Index i, Index, int) {
        if (thresholds[i] < rows.best[i]) return;
        sizes[static_cast<std::size_t>(i)] = count_subsets(affordable(rows, i, thresholds[i]), budget_of(i), limits);
    });
    if (!limits.in_branches) return sizes;
    for (Index i = 0; i < rows.n_rows; ++i) {
        SizeBound& size = sizes[static_cast<std::size_t>(i)];
        if (!(size.lower == size.upper))
            count_in_branches(affordable(rows, i, thresholds[i]), budget_of(i), limits, team, size);
    }
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
            const std::vector<Cost> costs = flipped_scores(rows, i);
            for (Index t = 0; t < n_thresholds; ++t)
                if (sorted[t] >= rows.best[i]) {
                    const auto n_free = std::upper_bound(costs.begin(), costs.end(), sorted[t]) - costs.begin();
                    lower[i] += std::ldexp(1.0, static_cast<int>(n_free));
                }
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
            const auto halves = MeetInTheMiddle::build(costs, most - rows.best[i], Index{1} << middling);
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
