// Sums that do not depend on order: units are rounded as promised, words never lose anything.

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/core/fixed_point.hpp"

using namespace mlkit;
using fixed_point::units;

namespace {

constexpr double unit = 0x1p-40;

#if defined(__SIZEOF_INT128__)
__extension__ typedef __int128 Wide;  // more bits than a sum can have

Wide as_wide(const WideSum& sum) { return static_cast<Wide>(sum.high) * (Wide{1} << 32) + sum.low; }
#endif

}  // namespace

TEST(the_ends_of_the_interval_are_exact) {
    CHECK_EQUAL(units(0.0), 0u);
    CHECK_EQUAL(units(1.0), std::uint64_t{1} << 40);
    CHECK_EQUAL(units(0.5), std::uint64_t{1} << 39);
    CHECK_EQUAL(units(unit), 1u);
    CHECK_EQUAL(units(1.0 - unit), (std::uint64_t{1} << 40) - 1);
}

TEST(halves_of_a_unit_go_to_the_even_neighbour) {
    CHECK_EQUAL(units(0.5 * unit), 0u);
    CHECK_EQUAL(units(1.5 * unit), 2u);
    CHECK_EQUAL(units(2.5 * unit), 2u);
    CHECK_EQUAL(units(3.5 * unit), 4u);
    CHECK_EQUAL(units(std::nextafter(0.5 * unit, 1.0)), 1u);
    CHECK_EQUAL(units(std::nextafter(1.5 * unit, 0.0)), 1u);
}

TEST(the_smallest_numbers_vanish) {
    CHECK_EQUAL(units(std::numeric_limits<double>::denorm_min()), 0u);
    CHECK_EQUAL(units(std::numeric_limits<double>::min()), 0u);
    CHECK_EQUAL(units(1e-13), 0u);
}

TEST(units_are_the_nearest_whole_number) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (int k = 0; k < 100'000; ++k) {
        const double p = k % 3 ? uniform(random) : std::ldexp(uniform(random), -k % 50);
        CHECK_EQUAL(units(p), static_cast<std::uint64_t>(std::nearbyint(std::ldexp(p, 40))));
    }
}

TEST(units_do_not_decrease) {
    double before = 0.0;
    for (int k = 1; k <= 100'000; ++k) {
        const double p = k / 100'000.0;
        CHECK(units(p) >= units(before));
        before = p;
    }
}

TEST(a_sum_equals_the_sum_in_wider_arithmetic) {
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    WideSum sum;
    long double exact = 0.0L;
    for (int k = 0; k < 200'000; ++k) {
        const double p = std::ldexp(std::nearbyint(std::ldexp(uniform(random), 40)), -40);  // a whole number of units
        sum.add(units(p));
        exact += static_cast<long double>(p);
    }
    CHECK_EQUAL(sum.value(), static_cast<double>(exact));  // 58 bits: exact in both, rounded once
}

TEST(the_mean_of_any_numbers_is_off_by_at_most_half_a_unit) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    WideSum sum;
    long double exact = 0.0L;
    constexpr int n = 100'000;
    for (int k = 0; k < n; ++k) {
        const double p = uniform(random);
        sum.add(units(p));
        exact += static_cast<long double>(p);
    }
    CHECK(std::fabs(sum.value() / n - static_cast<double>(exact / n)) <= 0.5 * unit);
}

TEST(order_and_grouping_do_not_change_a_sum) {
    std::mt19937_64 random(4);
    std::vector<double> terms(10'000);
    for (double& p : terms) p = std::uniform_real_distribution<double>(0.0, 1.0)(random);
    WideSum forward, backward, first, second;
    for (std::size_t k = 0; k < terms.size(); ++k) {
        forward.add(units(terms[k]));
        backward.add(units(terms[terms.size() - 1 - k]));
        (k % 7 ? first : second).add(units(terms[k]));
    }
    second.add(first);
    for (const WideSum& other : {backward.canonical(), second.canonical()}) {
        CHECK_EQUAL(other.high, forward.canonical().high);
        CHECK_EQUAL(other.low, forward.canonical().low);
    }
}

#if defined(__SIZEOF_INT128__)
TEST(words_add_as_one_number_far_beyond_64_bits) {
    std::mt19937_64 random(5);
    WideSum sum;
    Wide expected = 0;
    for (int k = 0; k < 100'000; ++k) {
        const std::uint64_t term = random();  // up to 2^64: far more than a probability
        sum.add(term);
        expected += static_cast<Wide>(term);
    }
    CHECK(expected > static_cast<Wide>(std::numeric_limits<std::int64_t>::max()));
    CHECK(as_wide(sum) == expected);
    CHECK(as_wide(sum.canonical()) == expected);
}

TEST(a_difference_is_exact_and_canonical) {
    std::mt19937_64 random(6);
    for (int k = 0; k < 1'000; ++k) {
        WideSum whole, part;
        for (int t = 0; t < 20; ++t) {
            const std::uint64_t term = random() >> 2;
            whole.add(term);
            if (t % 3 == 0) part.add(term);
        }
        const WideSum rest = whole.minus(part);
        CHECK(as_wide(rest) == as_wide(whole) - as_wide(part));
        CHECK(rest.low >= 0 && rest.low < std::int64_t{1} << 32);
    }
}
#endif

TEST(canonical_words_do_not_depend_on_how_the_sum_was_made) {
    WideSum many, once;
    for (int k = 0; k < 8; ++k) many.add(0xffffffffu);
    once.add(8 * std::uint64_t{0xffffffffu});
    CHECK_EQUAL(many.canonical().high, once.canonical().high);
    CHECK_EQUAL(many.canonical().low, once.canonical().low);
    CHECK(many.canonical().low >= 0 && many.canonical().low < std::int64_t{1} << 32);
}

TEST(an_empty_sum_is_zero) {
    CHECK_EQUAL(WideSum{}.value(), 0.0);
    CHECK_EQUAL(WideSum{}.minus(WideSum{}).value(), 0.0);
}
