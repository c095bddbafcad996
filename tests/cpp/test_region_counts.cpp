// Numbers and lists of label sets within a budget: every engine equals going through all subsets.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "check.hpp"
#include "mlkit/conformal/count.hpp"
#include "mlkit/conformal/subsets.hpp"
#include "mlkit/conformal/threshold_bdd.hpp"

using namespace mlkit;
using namespace mlkit::conformal;

namespace {

std::vector<Cost> ascending_costs(std::mt19937_64& random, std::size_t n, Cost most) {
    std::vector<Cost> costs(n);
    for (Cost& c : costs) c = static_cast<Cost>(random() % static_cast<std::uint64_t>(most + 1));
    std::sort(costs.begin(), costs.end());
    return costs;
}

/// Costs of all subsets, by their bit pattern.
std::vector<Cost> all_sums(const std::vector<Cost>& costs, Combine combine = Combine::sum) {
    std::vector<Cost> sums{0};
    for (const Cost d : costs) {
        const std::size_t n = sums.size();
        for (std::size_t k = 0; k < n; ++k)
            sums.push_back(combine == Combine::sum ? sums[k] + d : std::max(sums[k], d));
    }
    return sums;
}

std::uint64_t number(const BigCount& count) {
    CHECK(count.words().size() <= 1);
    return count.words().empty() ? 0 : count.words()[0];
}

/// Random costs with many ties, with few, with zeros, and huge; with budgets at, below and beyond every boundary.
template <class Body>
void for_each_problem(Body&& body) {
    std::mt19937_64 random(1);
    for (const Cost most : {Cost{0}, Cost{2}, Cost{40}, Cost{1} << 56}) {
        for (std::size_t n = 0; n <= 12; ++n) {
            const std::vector<Cost> costs = ascending_costs(random, n, most);
            std::vector<Cost> sums = all_sums(costs);
            std::sort(sums.begin(), sums.end());
            std::set<Cost> budgets{0, sums.back(), sums.back() + 1};
            for (int k = 0; k < 6; ++k) {
                const Cost sum = sums[random() % sums.size()];
                budgets.insert(sum);
                if (sum) budgets.insert(sum - 1);
            }
            for (const Cost budget : budgets) {
                const auto fit = std::upper_bound(sums.begin(), sums.end(), budget) - sums.begin();
                body(costs, budget, static_cast<std::uint64_t>(fit));
            }
        }
    }
}

template <class Walk>
void check_walk(const std::vector<Cost>& costs, Cost budget, Combine combine, bool is_ordered) {
    const std::vector<Cost> sums = all_sums(costs, combine);
    Walk walk(costs, budget, combine);
    std::set<std::uint64_t> seen;
    Cost before = 0;
    while (walk.next()) {
        std::uint64_t pattern = 0;
        for (const std::int32_t k : walk.chosen()) pattern |= std::uint64_t{1} << k;
        CHECK(seen.insert(pattern).second);
        CHECK_EQUAL(walk.spent(), sums[static_cast<std::size_t>(pattern)]);
        CHECK(walk.spent() <= budget);
        if (is_ordered) CHECK(walk.spent() >= before);
        before = walk.spent();
    }
    CHECK(!walk.next());
    const auto expected = std::count_if(sums.begin(), sums.end(), [&](Cost s) { return s <= budget; });
    CHECK_EQUAL(static_cast<std::ptrdiff_t>(seen.size()), expected);
}

}  // namespace

TEST(counts_of_all_engines_equal_those_of_all_subsets) {
    for_each_problem([](const std::vector<Cost>& costs, Cost budget, std::uint64_t expected) {
        CHECK_EQUAL(count_one_by_one(costs, budget, std::uint64_t{1} << 40), expected);
        if (expected > 3) CHECK(count_one_by_one(costs, budget, 2) > 2);
        CHECK_EQUAL(MeetInTheMiddle::build(costs, budget, 1 << 20)->count(budget), expected);
        CHECK_EQUAL(BranchesAndHalves::count(costs, budget, {}), expected);
        const std::vector<Cost> descending(costs.rbegin(), costs.rend());
        CHECK_EQUAL(number(ThresholdBdd::build(descending, budget, 1 << 20)->count()), expected);
        for (const Index n_buckets : {1, 5, 4096}) {
            const SizeBound bound = CountBracket(costs, budget, n_buckets).at(budget);
            CHECK(number(bound.lower) <= expected && expected <= number(bound.upper));
        }
        const SizeBound chosen = count_subsets(costs, budget, {});
        CHECK_EQUAL(number(chosen.lower), expected);
        CHECK(chosen.lower == chosen.upper);
    });
}

TEST(more_elements_than_lists_hold_are_counted_as_by_going_through_all_sums) {
    // costs small * 2^32 + rest, the rests adding up to less than 2^32: what fits is decided by the small ones
    std::mt19937_64 random(6);
    for (const std::size_t n : {49U, 51U}) {
        std::vector<Cost> costs;
        std::vector<std::uint64_t> ways{1};
        for (std::size_t k = 0; k < n; ++k) {
            const std::size_t small = 1 + random() % 900;
            costs.push_back(static_cast<Cost>((std::uint64_t{small} << 32) + random() % (std::uint64_t{1} << 26)));
            ways.resize(ways.size() + small, 0);
            for (std::size_t s = ways.size(); s-- > small;) ways[s] += ways[s - small];
        }
        std::sort(costs.begin(), costs.end());
        for (const std::size_t small : {ways.size() / 40, ways.size() / 8, ways.size() - ways.size() / 8}) {
            std::uint64_t expected = 0;
            for (std::size_t s = 0; s <= small; ++s) expected += ways[s];
            const auto budget = static_cast<Cost>(((std::uint64_t{small} + 1) << 32) - 1);
            for (const int n_threads : {1, 2})
                CHECK_EQUAL(BranchesAndHalves::count(costs, budget, {n_threads, {}}), expected);
            CountLimits limits = CountLimits::exact(1000, 4096);
            limits.list_cap = limits.most_walked = 1000;
            SizeBound size = count_subsets(costs, budget, limits);
            CHECK(!(BigCount(expected) < size.lower) && !(size.upper < BigCount(expected)));
            count_in_branches(costs, budget, limits, {}, size);
            CHECK(size.lower == BigCount(expected) && size.upper == BigCount(expected));
        }
    }
}

TEST(one_list_of_halves_and_one_bracket_serve_smaller_budgets_too) {
    std::mt19937_64 random(2);
    const std::vector<Cost> costs = ascending_costs(random, 11, 1000);
    std::vector<Cost> sums = all_sums(costs);
    std::sort(sums.begin(), sums.end());
    const auto halves = MeetInTheMiddle::build(costs, sums.back(), 1 << 20);
    const CountBracket bracket(costs, sums.back(), 64);
    for (Cost budget = 0; budget <= sums.back(); budget += 37) {
        const auto expected =
            static_cast<std::uint64_t>(std::upper_bound(sums.begin(), sums.end(), budget) - sums.begin());
        CHECK_EQUAL(halves->count(budget), expected);
        const SizeBound bound = bracket.at(budget);
        CHECK(number(bound.lower) <= expected && expected <= number(bound.upper));
    }
}

TEST(engines_give_up_at_their_caps_and_a_certified_bracket_remains) {
    std::mt19937_64 random(3);
    const std::vector<Cost> costs = ascending_costs(random, 90, Cost{1} << 40);
    Cost total = 0;
    for (const Cost c : costs) total += c;
    const std::vector<Cost> descending(costs.rbegin(), costs.rend());
    CHECK(!ThresholdBdd::build(descending, total / 2, 1000));
    CHECK(!MeetInTheMiddle::build(costs, total / 2, 1000));
    CountLimits limits;
    limits.node_cap = 1000;
    const SizeBound bound = count_subsets(costs, total / 2, limits);
    // by symmetry, half of all 2^90 subsets but for ties
    CHECK(bound.lower < BigCount::power_of_two(89) && BigCount::power_of_two(89) < bound.upper);
    CHECK(bound.upper < BigCount::power_of_two(90));
    CHECK(BigCount::power_of_two(88) < bound.lower);
    CHECK(count_subsets(costs, total, limits).lower == BigCount::power_of_two(90));
}

TEST(diagrams_count_beyond_a_word) {
    const std::vector<Cost> equal(130, 1);  // within a budget of 1: the empty subset and 130 single ones
    CHECK_EQUAL(number(ThresholdBdd::build(equal, 1, 1 << 20)->count()), 131U);
    const auto all_but_the_full = ThresholdBdd::build(equal, 129, 1 << 20);
    const BigCount count = all_but_the_full->count();
    CHECK(count < BigCount::power_of_two(130));
    CHECK_EQUAL(count.words().size(), 3U);
    CHECK(count.words()[0] == ~std::uint64_t{0} && count.words()[1] == ~std::uint64_t{0} && count.words()[2] == 3);
}

TEST(walks_find_every_subset_once) {
    std::mt19937_64 random(4);
    for (const Cost most : {Cost{0}, Cost{3}, Cost{1000}}) {
        for (const std::size_t n : {0U, 1U, 2U, 9U}) {
            const std::vector<Cost> costs = ascending_costs(random, n, most);
            Cost total = 0;
            for (const Cost c : costs) total += c;
            for (const Cost budget : {Cost{-1}, Cost{0}, total / 3, total / 2, total}) {
                for (const Combine combine : {Combine::sum, Combine::maximum}) {
                    check_walk<DepthFirst>(costs, budget, combine, false);
                    check_walk<ByCost>(costs, budget, combine, true);
                }
            }
        }
    }
}

TEST(bit_patterns_are_those_of_the_depth_first_walk_and_stop_where_told) {
    std::mt19937_64 random(5);
    const std::vector<Cost> costs = ascending_costs(random, 10, 50);
    std::vector<std::uint64_t> bits;
    for (int k = 0; k < 10; ++k) bits.push_back(std::uint64_t{1} << (63 - 5 * k));
    constexpr std::uint64_t best = 0x8000000000000001ULL;
    std::vector<std::uint64_t> expected;
    for (DepthFirst walk(costs, 120, Combine::sum); walk.next();) {
        std::uint64_t pattern = best;
        for (const std::int32_t k : walk.chosen()) pattern ^= bits[static_cast<std::size_t>(k)];
        expected.push_back(pattern);
    }
    for (const std::size_t most :
         {std::size_t{0}, std::size_t{1}, std::size_t{7}, expected.size(), expected.size() + 9}) {
        std::vector<std::uint64_t> out(most, 77);
        const Index n = write_bits(costs, bits, 120, best, static_cast<Index>(most), out.data());
        CHECK_EQUAL(n, static_cast<Index>(std::min(most, expected.size())));
        CHECK(std::equal(out.begin(), out.begin() + n, expected.begin()));
    }
    std::uint64_t untouched = 5;
    CHECK_EQUAL(write_bits(costs, bits, -1, best, 1, &untouched), 0);
    CHECK_EQUAL(untouched, 5U);
}

TEST(big_counts_round_the_way_they_are_told) {
    CHECK_EQUAL(number(BigCount::from_scaled(2.5, 0, false)), 2U);
    CHECK_EQUAL(number(BigCount::from_scaled(2.5, 0, true)), 3U);
    CHECK_EQUAL(number(BigCount::from_scaled(3.0, 0, true)), 3U);
    CHECK_EQUAL(number(BigCount::from_scaled(0x1p-200, 0, false)), 0U);
    CHECK_EQUAL(number(BigCount::from_scaled(0x1p-200, 0, true)), 1U);
    CHECK_EQUAL(number(BigCount::from_scaled(0.0, 0, true)), 0U);
    CHECK(BigCount::from_scaled(1.0, 200, false) == BigCount::power_of_two(200));
    CHECK(BigCount::from_scaled(1.5, 64, false) == BigCount::from_scaled(3.0, 63, false));
    CHECK(BigCount(7) < BigCount::power_of_two(64));
    CHECK(!(BigCount::power_of_two(64) < BigCount(7)));
    CHECK(!(BigCount() < BigCount()));
}
