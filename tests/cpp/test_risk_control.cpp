// Losses at every threshold, and bets on them, beside adding them up one by one.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/conformal/risk.hpp"

using namespace mlkit;
using namespace mlkit::conformal;

namespace {

constexpr Index n_rows = 60, n_labels = 5;
constexpr double inf = std::numeric_limits<double>::infinity();

/// Dense probabilities with ties and zeros, and labels stored as (label, value) with unknown cells.
struct Data {
    std::vector<double> p;
    std::vector<int> given;  // 1, 0, -1 of every cell
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> indices;
    std::vector<std::int8_t> values;
    Background background;

    Data(int seed, Background background_) : background(background_) {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        for (Index i = 0; i < n_rows; ++i) {
            for (Index k = 0; k < n_labels; ++k) {
                p.push_back(static_cast<double>(random() % 11) / 10.0);
                const int value = static_cast<int>(random() % 4) - 1;  // -1, 0, 1, 2: 2 is not stored
                given.push_back(value < 2 ? value : background == Background::negative ? 0 : -1);
                if (value == 2) continue;
                indices.push_back(static_cast<std::int32_t>(k));
                values.push_back(static_cast<std::int8_t>(value));
            }
            indptr.push_back(static_cast<Index>(indices.size()));
        }
    }
    Cells cells() const {
        return {{n_rows, n_labels, indptr.data(), indices.data(), values.data(), background},
                DenseScores{n_rows, n_labels, reinterpret_cast<const std::byte*>(p.data()), 8 * n_labels, 8,
                            Real::float64, false}};
    }
    int label(Index i, Index k) const { return given[static_cast<std::size_t>(i * n_labels + k)]; }
    double prob(Index i, Index k) const { return p[static_cast<std::size_t>(i * n_labels + k)]; }
};

template <class Body>
void for_each_data(Body&& body) {
    for (const int seed : {0, 1, 2})
        for (const Background background : {Background::negative, Background::unknown})
            for (const int n_threads : {1, 4}) body(Data(seed, background), Team{n_threads, {}});
}

/// The bet as it is defined, with the whole path kept.
bool wins(const std::vector<double>& losses, double level, double log_inverse_delta) {
    std::vector<double> path;
    const auto n = static_cast<double>(losses.size());
    for (std::size_t j = 0; j < losses.size(); ++j) {
        double variance = 0.25, sum = 0.0, squares = 0.25;
        for (std::size_t i = 0; i < j; ++i) {
            sum += losses[i];
            const double mean = (0.5 + sum) / static_cast<double>(i + 2);
            squares += (losses[i] - mean) * (losses[i] - mean);
            variance = squares / static_cast<double>(i + 2);
        }
        const double stake = std::min(1.0, std::sqrt(2.0 * log_inverse_delta / (n * variance)));
        path.push_back((path.empty() ? 0.0 : path.back()) + std::log1p(-stake * (losses[j] - level)));
    }
    return !path.empty() && *std::max_element(path.begin(), path.end()) > log_inverse_delta;
}

}  // namespace

TEST(steps_are_the_losses_at_every_threshold) {
    for_each_data([](const Data& data, const Team& team) {
        for (const Risk risk : {Risk::fnr, Risk::miscoverage, Risk::fp}) {
            const RiskSteps steps = risk_steps(risk_jumps(data.cells(), risk, team));
            CHECK(std::is_sorted(steps.thresholds.begin(), steps.thresholds.end()));
            CHECK_EQUAL(steps.thresholds.back(), inf);
            CHECK_EQUAL(steps.ends.empty() ? 0 : steps.ends.back(), static_cast<Index>(steps.units.size()));
            for (std::size_t s = 0; s < steps.thresholds.size(); ++s) {
                std::int64_t expected = 0;
                for (Index i = 0; i < n_rows; ++i) {
                    int right = 0, missed = 0, wrong = 0;
                    for (Index k = 0; k < n_labels; ++k) {
                        const bool is_in = data.prob(i, k) >= steps.thresholds[s] && data.prob(i, k) > 0.0;
                        right += data.label(i, k) == 1;
                        missed += data.label(i, k) == 1 && data.prob(i, k) < steps.thresholds[s];
                        wrong += data.label(i, k) == 0 && is_in;
                    }
                    const double loss = risk == Risk::fp            ? static_cast<double>(wrong) / n_labels
                                        : right == 0                ? 0.0
                                        : risk == Risk::miscoverage ? static_cast<double>(missed > 0)
                                                                    : static_cast<double>(missed) / right;
                    expected += std::llround(loss * 0x1p40);
                }
                const std::int64_t passed = steps.passed[s];
                CHECK_EQUAL(risk == Risk::fp ? steps.passed.back() - passed : passed, expected);
            }
        }
    });
}

TEST(the_place_where_a_sum_is_exceeded_is_that_of_sorted_jumps) {
    std::mt19937_64 random(4);
    for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{500}})
        for (const int kind : {0, 1, 2}) {  // all over, in ties with zeros, in the last bits
            RiskJumps jumps;
            for (std::size_t k = 0; k < n; ++k) {
                const double at = static_cast<double>(random() % 1000);
                jumps.p.push_back(kind == 0   ? at / 999.0
                                  : kind == 1 ? std::floor(at / 300.0) / 3.0
                                              : 0.5 + at * 0x1p-53);
                jumps.examples.push_back(static_cast<std::int32_t>(k));
                jumps.units.push_back(static_cast<std::int64_t>(random() % 5));
            }
            const RiskSteps steps = risk_steps(jumps);
            for (std::int64_t most = 0; most <= steps.passed.back() + 1;
                 most += 1 + static_cast<std::int64_t>(n) / 50) {
                std::size_t s = 0;
                while (s + 1 < steps.passed.size() && steps.passed[s + 1] <= most) ++s;
                CHECK_EQUAL(where_exceeded(jumps.p.data(), jumps.units.data(), static_cast<Index>(n), most),
                            steps.thresholds[s]);
            }
        }
}

TEST(many_jumps_come_in_the_order_of_probabilities_and_examples) {
    constexpr Index n = 5000;  // more than are sorted by comparing alone; probabilities that differ in their last bits
    std::mt19937_64 random(3);
    std::vector<double> p(static_cast<std::size_t>(n));
    for (double& x : p) x = 0.3 + static_cast<double>(random() % 64) * (random() % 2 ? 0x1p-53 : 0x1p-8);
    std::vector<Index> indptr(static_cast<std::size_t>(n + 1));
    for (Index i = 0; i <= n; ++i) indptr[static_cast<std::size_t>(i)] = i;
    const std::vector<std::int32_t> indices(static_cast<std::size_t>(n), 0);
    const Cells cells{{n, 1, indptr.data(), indices.data(), nullptr, Background::negative},
                      DenseScores{n, 1, reinterpret_cast<const std::byte*>(p.data()), 8, 8, Real::float64, false}};
    for (const int n_threads : {1, 3}) {
        const RiskSteps steps = risk_steps(risk_jumps(cells, Risk::fnr, {n_threads, {}}));
        std::size_t group = 0;
        for (std::size_t k = 0; k < steps.examples.size(); ++k) {
            if (static_cast<Index>(k) == steps.ends[group]) ++group;
            const double now = p[static_cast<std::size_t>(steps.examples[k])];
            CHECK_EQUAL(now, steps.thresholds[group]);
            if (k == 0) continue;
            const double before = p[static_cast<std::size_t>(steps.examples[k - 1])];
            CHECK(before < now || (before == now && steps.examples[k - 1] < steps.examples[k]));
        }
        CHECK_EQUAL(static_cast<Index>(steps.examples.size()), n);
    }
}

TEST(false_discoveries_are_shares_of_what_is_predicted) {
    const std::vector<double> grid{0.05, 0.1, 0.35, 0.5, 0.95, 1.0};
    for_each_data([&](const Data& data, const Team& team) {
        const auto found = false_discoveries(data.cells(), grid, team);
        for (std::size_t g = 0; g < grid.size(); ++g) {
            std::int64_t expected = 0;
            for (Index i = 0; i < n_rows; ++i) {
                int wrong = 0, all = 0;
                for (Index k = 0; k < n_labels; ++k) {
                    if (data.label(i, k) < 0 || data.prob(i, k) < grid[g]) continue;
                    ++all;
                    wrong += data.label(i, k) == 0;
                }
                if (all) expected += std::llround(static_cast<double>(wrong) / all * 0x1p40);
            }
            CHECK_EQUAL(found[g], expected);
        }
    });
}

TEST(extremes_are_those_of_known_cells) {
    for_each_data([](const Data& data, const Team& team) {
        std::vector<double> wrong(n_rows), right(n_rows);
        extremes(data.cells(), team, wrong.data(), right.data());
        for (Index i = 0; i < n_rows; ++i) {
            double most = -inf, least = inf;
            for (Index k = 0; k < n_labels; ++k) {
                if (data.label(i, k) == 0) most = std::max(most, data.prob(i, k));
                if (data.label(i, k) == 1) least = std::min(least, data.prob(i, k));
            }
            CHECK_EQUAL(wrong[static_cast<std::size_t>(i)], most);
            CHECK_EQUAL(right[static_cast<std::size_t>(i)], least);
        }
    });
}

TEST(a_bet_follows_the_whole_path) {
    std::mt19937_64 random(7);
    const double price = std::log(10.0);
    int n_won = 0;
    for (int repeat = 0; repeat < 300; ++repeat) {
        const std::size_t n = 20 + random() % 60;
        std::vector<double> losses(n);
        std::vector<std::int64_t> units(n);
        for (std::size_t j = 0; j < n; ++j) {
            losses[j] = random() % 12 ? 0.0 : static_cast<double>(random() % 5) / 4.0;
            units[j] = std::llround(losses[j] * 0x1p40);
        }
        const bool expected = wins(losses, 0.1, price);
        n_won += expected;
        CHECK_EQUAL(betting_certifies(units, 0.1, price), expected);
    }
    CHECK(n_won > 30 && n_won < 270);
    // gains on both sides of one loss: each below the price, their sum above it
    std::vector<std::int64_t> twice(40, 0);
    twice[19] = std::int64_t{1} << 40;
    CHECK(!betting_certifies(twice, 0.1, price));
    CHECK(!betting_certifies({}, 0.1, price));
}

TEST(groups_are_certified_up_to_the_first_that_fails) {
    std::mt19937_64 random(8);
    const double price = std::log(10.0);
    for (int repeat = 0; repeat < 50; ++repeat) {
        constexpr std::size_t n_jumps = 40;
        std::vector<std::int32_t> examples;
        std::vector<std::int64_t> units;
        for (std::size_t k = 0; k < n_jumps; ++k) {
            examples.push_back(static_cast<std::int32_t>(random() % 80));
            units.push_back((std::int64_t{1} << 40) / 4);
        }
        std::vector<Index> ends;
        for (Index end = 0; end < static_cast<Index>(n_jumps);) {
            end = std::min<Index>(static_cast<Index>(n_jumps), end + 1 + static_cast<Index>(random() % 6));
            ends.push_back(end);
        }
        std::vector<std::int64_t> losses(80, 0);
        Index expected = 0, begin = 0;
        for (const Index end : ends) {
            for (Index k = begin; k < end; ++k)
                losses[static_cast<std::size_t>(examples[static_cast<std::size_t>(k)])] +=
                    units[static_cast<std::size_t>(k)];
            begin = end;
            if (!betting_certifies(losses, 0.1, price)) break;
            expected = end;
        }
        CHECK_EQUAL(certified_groups(examples, units, ends, 80, 0.1, price, {}), expected);
    }
    CHECK_EQUAL(certified_groups({}, {}, {}, 3, 0.1, price, {}), -1);  // three examples prove nothing
    CHECK_EQUAL(certified_groups({}, {}, {}, 80, 0.1, price, {}), 0);
}
