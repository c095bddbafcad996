// The search for label sets whose score counts pairs never seen together equals going through all of them.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/conformal/searched.hpp"
#include "mlkit/conformal/unseen_pairs.hpp"

using namespace mlkit;
using namespace mlkit::conformal;

namespace {

using Set = std::vector<std::uint8_t>;

/// Pairs that were seen, at random; `share` of eight.
struct Pairs {
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> indices;
    std::vector<std::uint64_t> unseen;
    PairForm form;

    Pairs(Index n, int seed, unsigned share, Cost weight) {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        std::vector<Set> seen(static_cast<std::size_t>(n), Set(static_cast<std::size_t>(n), 0));
        for (std::size_t a = 0; a < seen.size(); ++a)
            for (std::size_t b = a + 1; b < seen.size(); ++b) seen[a][b] = seen[b][a] = random() % 8 < share;
        form.n_labels = n;
        form.weight = weight;
        form.rule = {Score::lp, 1.0, 0.5, 20};
        unseen.assign(static_cast<std::size_t>(n * form.n_words()), 0);
        for (std::size_t a = 0; a < seen.size(); ++a) {
            for (std::size_t b = 0; b < seen.size(); ++b) {
                if (seen[a][b]) indices.push_back(static_cast<std::int32_t>(b));
                if (a != b && !seen[a][b])
                    unseen[a * static_cast<std::size_t>(form.n_words()) + b / 64] |= std::uint64_t{1} << (b % 64);
            }
            indptr.push_back(static_cast<Index>(indices.size()));
        }
        form.indptr = indptr.data();
        form.indices = indices.data();
        form.unseen = unseen.data();
    }
};

/// What a set scores, added up as it is defined.
Cost score_of(const PairForm& form, const std::vector<double>& p, const Set& set) {
    const CostRule cost(form.rule);
    Cost total = 0;
    for (std::size_t k = 0; k < set.size(); ++k) {
        const CellCosts c = cost(p[k]);
        total += set[k] ? c.one : c.zero;
        for (std::size_t j = 0; j < k; ++j)
            if (set[j] && set[k] && !form.is_seen(static_cast<std::int32_t>(j), static_cast<std::int32_t>(k)))
                total += form.weight;
    }
    return total;
}

/// body(search, scores of all sets, form, probabilities): few labels and many, all pairs seen and none, ties.
template <class Body>
void for_each_problem(Body&& body) {
    constexpr Cost unit = Cost{1} << 20;
    for (const Index n : {1, 2, 6, 9})
        for (const unsigned share : {0U, 4U, 8U})
            for (const Cost weight : {Cost{0}, unit / 3, 3 * unit})
                for (const bool ties : {false, true}) {
                    const Pairs pairs(n, 7, share, weight);
                    std::mt19937_64 random(static_cast<std::uint64_t>(n));
                    std::vector<double> p(static_cast<std::size_t>(n));
                    for (double& x : p)
                        x = ties ? 0.5 * static_cast<double>(random() % 3) : static_cast<double>(random() % 1001) / 1e3;
                    std::map<Set, Cost> scores;
                    for (std::size_t pattern = 0; pattern < std::size_t{1} << n; ++pattern) {
                        Set set(static_cast<std::size_t>(n));
                        for (std::size_t k = 0; k < set.size(); ++k) set[k] = pattern >> k & 1;
                        scores[set] = score_of(pairs.form, p, set);
                    }
                    PairSearch search(pairs.form);
                    search.load(p.data());
                    body(search, scores, pairs.form, p);
                }
}

/// Thresholds at, below and beyond every kind of boundary.
std::vector<Cost> thresholds_of(const std::map<Set, Cost>& scores) {
    std::vector<Cost> all;
    for (const auto& [set, score] : scores) all.push_back(score);
    std::sort(all.begin(), all.end());
    return {all.front() - 1, all.front(), all[all.size() / 3], all[all.size() / 3] - 1, all.back(), all.back() + 5};
}

}  // namespace

TEST(given_sets_score_what_their_labels_and_unseen_pairs_cost) {
    for_each_problem([](PairSearch&, const auto& scores, const PairForm& form, const std::vector<double>& p) {
        const auto n_labels = static_cast<Index>(p.size());
        for (const auto& [set, score] : scores) {
            std::vector<std::int32_t> given;
            for (std::size_t k = 0; k < set.size(); ++k)
                if (set[k]) given.push_back(static_cast<std::int32_t>(k));
            const std::vector<Index> indptr{0, static_cast<Index>(given.size())};
            const Cells cells{{1, n_labels, indptr.data(), given.data(), nullptr, Background::negative},
                              DenseScores{1, n_labels, reinterpret_cast<const std::byte*>(p.data()), 8 * n_labels, 8,
                                          Real::float64, false}};
            Cost found = 0;
            score_sets(cells, form, {}, &found);
            CHECK_EQUAL(found, score);
        }
    });
}

TEST(walks_and_counts_find_the_sets_within_the_threshold) {
    for_each_problem([](PairSearch& search, const auto& scores, const PairForm&, const std::vector<double>&) {
        for (const Cost tau : thresholds_of(scores)) {
            std::map<Set, Cost> found, expected;
            for (const auto& [set, score] : scores)
                if (score <= tau) expected[set] = score;
            Cost limit = tau;
            search.walk(limit, [&](const std::uint8_t* set, Cost score) {
                CHECK(found.emplace(Set(set, set + scores.begin()->first.size()), score).second);
                return true;
            });
            CHECK(found == expected);
            const auto n = static_cast<Index>(expected.size());
            CHECK(search.count(tau, n, [] {}) == static_cast<std::uint64_t>(n));
            if (n) CHECK(!search.count(tau, n - 1, [] {}));
        }
    });
}

TEST(forced_labels_keep_their_value_in_walks_and_in_the_best_set) {
    for_each_problem([](PairSearch& search, const auto& scores, const PairForm& form, const std::vector<double>&) {
        Set best(static_cast<std::size_t>(form.n_labels));
        for (Index forced = 0; forced < form.n_labels; ++forced)
            for (const bool value : {false, true}) {
                Cost least = std::numeric_limits<Cost>::max();
                for (const auto& [set, score] : scores)
                    if (static_cast<bool>(set[static_cast<std::size_t>(forced)]) == value)
                        least = std::min(least, score);
                search.force(forced, value);
                CHECK_EQUAL(search.minimise(best.data()), least);
                CHECK_EQUAL(scores.at(best), least);
                Cost tau = least;
                search.walk(tau, [&](const std::uint8_t* set, Cost score) {
                    CHECK(static_cast<bool>(set[forced]) == value && score == least);
                    return true;
                });
                search.release(forced);
            }
    });
}

TEST(labels_are_projected_as_by_all_sets_and_bounds_enclose_their_number) {
    for_each_problem([](PairSearch& search, const auto& scores, const PairForm&, const std::vector<double>&) {
        for (const Cost tau : thresholds_of(scores)) {
            Set found(scores.begin()->first.size());
            search.project(tau, found.data());
            std::uint64_t n = 0;
            for (const auto& [set, score] : scores) n += score <= tau;
            for (std::size_t k = 0; k < found.size(); ++k) {
                bool zero = false, one = false;
                for (const auto& [set, score] : scores)
                    if (score <= tau) (set[k] ? one : zero) = true;
                CHECK_EQUAL(int{found[k]}, zero == one ? 2 : int{one});
            }
            if (const auto known = search.known_size(tau, CountLimits::exact(1000, 64)))
                CHECK(known->lower == BigCount(n) && known->upper == BigCount(n));
            if (n == 0) continue;
            CHECK(!(search.upper_bound(tau, {}) < BigCount(n)));
            CHECK(!(BigCount(n) < search.lower_bound(tau, {})));
            for (const auto& [set, score] : scores) CHECK(score <= search.highest_score());
        }
    });
}
