// From probabilities to flip costs and what follows from them, beside going through all label sets; dense and sparse.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/conformal/count.hpp"
#include "mlkit/conformal/flips.hpp"

using namespace mlkit;
using namespace mlkit::conformal;

namespace {

constexpr Index n_rows = 40, n_labels = 6;
constexpr std::size_t n_sets = 1U << n_labels;

std::vector<double> drawn_probs(int seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    std::vector<double> p(static_cast<std::size_t>(n_rows * n_labels));
    for (double& x : p) {
        const auto kind = random() % 5;
        x = kind == 0 ? 0.0 : kind == 1 ? 0.5 : kind == 2 ? 1.0 : static_cast<double>(random() % 1000) / 999.0;
    }
    return p;
}

/// The same scores, with their zeros or without.
struct Table {
    std::vector<double> dense, stored;
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> indices;

    explicit Table(std::vector<double> p) : dense(std::move(p)) {
        for (Index i = 0; i < n_rows; ++i) {
            for (Index k = 0; k < n_labels; ++k) {
                const double x = dense[static_cast<std::size_t>(i * n_labels + k)];
                if (x == 0.0) continue;
                stored.push_back(x);
                indices.push_back(static_cast<std::int32_t>(k));
            }
            indptr.push_back(static_cast<Index>(stored.size()));
        }
    }
    Scores scores(bool sparse) const {
        if (sparse)
            return SparseScores{n_rows,
                                n_labels,
                                indptr.data(),
                                indices.data(),
                                reinterpret_cast<const std::byte*>(stored.data()),
                                Real::float64,
                                false};
        return DenseScores{n_rows,        n_labels, reinterpret_cast<const std::byte*>(dense.data()), 8 * n_labels, 8,
                           Real::float64, false};
    }
};

struct Costs {
    std::vector<Cost> differences, best, empty;
    FlipRows rows;

    Costs(const Table& table, const ScoreRule& rule, bool sparse, int n_threads) {
        const auto size = sparse ? table.stored.size() : table.dense.size();
        differences.resize(size);
        best.resize(n_rows);
        empty.resize(n_rows);
        flip_costs(table.scores(sparse), n_rows, n_labels, rule, {n_threads, {}}, differences.data(), best.data(),
                   empty.data());
        const CellCosts absent = CostRule(rule)(0.0);
        rows = {n_rows,
                n_labels,
                sparse ? table.indptr.data() : nullptr,
                sparse ? table.indices.data() : nullptr,
                differences.data(),
                best.data(),
                empty.data(),
                absent.one - absent.zero,
                rule.is_maximum() ? absent.one + absent.zero : 0};
    }
};

/// Score of each label set of a row, by its bit pattern.
std::vector<Cost> set_scores(const Table& table, const ScoreRule& rule, Index i) {
    const CostRule cost(rule);
    std::vector<Cost> scores(n_sets);
    for (std::size_t set = 0; set < n_sets; ++set) {
        Cost total = 0;
        for (Index k = 0; k < n_labels; ++k) {
            const CellCosts c = cost(table.dense[static_cast<std::size_t>(i * n_labels + k)]);
            const Cost one = (set >> k & 1) ? c.one : c.zero;
            total = rule.is_maximum() ? std::max(total, one) : total + one;
        }
        scores[set] = total;
    }
    return scores;
}

template <class Body>
void for_each_rule(Body&& body) {
    for (const Score kind : {Score::lp, Score::log, Score::log_centered, Score::hamming, Score::linf}) {
        const ScoreRule rule{kind, kind == Score::lp ? 2.0 : 1.0, 0.5, 40};
        const Table table(drawn_probs(static_cast<int>(kind)));
        for (const bool sparse : {false, true}) {
            for (const int n_threads : {1, 3}) body(table, rule, Costs(table, rule, sparse, n_threads), n_threads);
        }
    }
}

}  // namespace

TEST(the_best_set_costs_what_the_cheapest_of_all_sets_costs) {
    for_each_rule([](const Table& table, const ScoreRule& rule, const Costs& costs, int) {
        for (Index i = 0; i < n_rows; ++i) {
            const std::vector<Cost> scores = set_scores(table, rule, i);
            CHECK_EQUAL(costs.best[static_cast<std::size_t>(i)], *std::min_element(scores.begin(), scores.end()));
            CHECK_EQUAL(costs.empty[static_cast<std::size_t>(i)], scores[0]);
        }
    });
}

TEST(labels_sizes_and_cardinalities_are_those_of_all_sets_within_the_threshold) {
    for_each_rule([](const Table& table, const ScoreRule& rule, const Costs& costs, int n_threads) {
        const Team team{n_threads, {}};
        for (const double share : {-0.1, 0.0, 0.2, 0.5, 1.0}) {
            std::vector<Cost> tau(n_rows);
            for (Index i = 0; i < n_rows; ++i) {
                const std::vector<Cost> scores = set_scores(table, rule, i);
                const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
                tau[static_cast<std::size_t>(i)] = *low + static_cast<Cost>(share * static_cast<double>(*high - *low));
            }
            if (share == 1.0) tau[3] = no_limit;
            std::vector<std::uint8_t> states(costs.differences.size());
            project(costs.rows, tau.data(), team, states.data());
            std::vector<Index> low(n_rows), high(n_rows);
            cardinality_bounds(costs.rows, tau.data(), team, low.data(), high.data());
            const std::vector<SizeBound> sizes = count_regions(costs.rows, tau.data(), {}, team);
            for (Index i = 0; i < n_rows; ++i) {
                const std::vector<Cost> scores = set_scores(table, rule, i);
                std::size_t all = n_sets - 1, any = 0;
                std::uint64_t n = 0;
                Index fewest = n_labels + 1, most = -1;
                for (std::size_t set = 0; set < n_sets; ++set) {
                    if (scores[set] > tau[static_cast<std::size_t>(i)]) continue;
                    ++n;
                    all &= set;
                    any |= set;
                    Index size = 0;
                    for (Index k = 0; k < n_labels; ++k) size += set >> k & 1;
                    fewest = std::min(fewest, size);
                    most = std::max(most, size);
                }
                CHECK(sizes[static_cast<std::size_t>(i)].lower == BigCount(n));
                CHECK(sizes[static_cast<std::size_t>(i)].upper == BigCount(n));
                CHECK_EQUAL(low[static_cast<std::size_t>(i)], n ? fewest : -1);
                CHECK_EQUAL(high[static_cast<std::size_t>(i)], most);
                for (Index at = costs.rows.begin(i); at < costs.rows.end(i); ++at) {
                    const std::int32_t k = costs.rows.label(at, costs.rows.begin(i));
                    const int expected = n == 0 ? 2 : (all >> k & 1) ? 1 : (any >> k & 1) ? 2 : 0;
                    CHECK_EQUAL(int{states[static_cast<std::size_t>(at)]}, expected);
                }
            }
        }
    });
}

TEST(given_sets_score_the_same_from_flip_costs_and_from_probabilities) {
    std::mt19937_64 random(9);
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> indices;
    std::vector<std::size_t> patterns;
    for (Index i = 0; i < n_rows; ++i) {
        patterns.push_back(random() % n_sets);
        for (Index k = 0; k < n_labels; ++k)
            if (patterns.back() >> k & 1) indices.push_back(static_cast<std::int32_t>(k));
        indptr.push_back(static_cast<Index>(indices.size()));
    }
    const LabelView labels{n_rows, n_labels, indptr.data(), indices.data(), nullptr, Background::negative};
    for_each_rule([&](const Table& table, const ScoreRule& rule, const Costs& costs, int n_threads) {
        std::vector<Cost> from_flips(n_rows), from_probs(n_rows);
        score_sets(costs.rows, labels, {n_threads, {}}, from_flips.data());
        score_sets({labels, table.scores(costs.rows.indptr != nullptr)}, rule, {n_threads, {}}, from_probs.data());
        CHECK(from_flips == from_probs);
        for (Index i = 0; i < n_rows; ++i)
            CHECK_EQUAL(from_flips[static_cast<std::size_t>(i)],
                        set_scores(table, rule, i)[patterns[static_cast<std::size_t>(i)]]);
    });
}

TEST(ranks_count_what_is_not_below) {
    const std::vector<Cost> sorted{1, 3, 3, 3, 8};
    for (Cost x = 0; x <= 9; ++x) {
        const auto expected = std::count_if(sorted.begin(), sorted.end(), [x](Cost a) { return a >= x; });
        CHECK_EQUAL(5 - ScoreBuckets(sorted.data(), 5).n_below(x), expected);
    }
    CHECK_EQUAL(ScoreBuckets(sorted.data(), 0).n_below(1), 0);
    std::mt19937_64 random(8);
    for (const int shift : {1, 20, 50}) {  // few distinct ones, some, all over the range with one far away
        std::vector<Cost> scores(700);
        for (Cost& s : scores) s = static_cast<Cost>(random() >> (63 - shift)) - (Cost{1} << (shift - 1));
        scores.push_back((Cost{1} << 62) - 1);
        std::sort(scores.begin(), scores.end());
        const ScoreBuckets buckets(scores.data(), 701);
        for (const Cost s : scores)
            for (const Cost x : {s - 1, s, s + 1})
                CHECK_EQUAL(buckets.n_below(x), std::lower_bound(scores.begin(), scores.end(), x) - scores.begin());
    }
}

TEST(sums_of_sizes_over_thresholds_are_sums_of_counts) {
    for_each_rule([](const Table& table, const ScoreRule& rule, const Costs& costs, int n_threads) {
        std::vector<Cost> thresholds;
        for (Index i = 0; i < 10; ++i) thresholds.push_back(set_scores(table, rule, i)[5]);
        std::sort(thresholds.begin(), thresholds.end());
        std::vector<double> lower(n_rows), upper(n_rows);
        total_sizes(costs.rows, thresholds.data(), 10, {}, {n_threads, {}}, lower.data(), upper.data());
        for (Index i = 0; i < n_rows; ++i) {
            const std::vector<Cost> scores = set_scores(table, rule, i);
            double expected = 0.0;
            for (const Cost t : thresholds)
                expected +=
                    static_cast<double>(std::count_if(scores.begin(), scores.end(), [t](Cost s) { return s <= t; }));
            CHECK_EQUAL(lower[static_cast<std::size_t>(i)], expected);
            CHECK_EQUAL(upper[static_cast<std::size_t>(i)], expected);
        }
    });
}
