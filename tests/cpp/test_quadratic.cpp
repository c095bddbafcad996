// The search for label sets inside an ellipsoid equals going through all of them: the same sets, scores to the last
// bit.

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/conformal/quadratic.hpp"

using namespace mlkit;
using namespace mlkit::conformal;

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A random positive definite form.
struct Form {
    Matrix precision, upper;
    QuadraticForm form;

    Form(Index n, int seed) {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        std::normal_distribution<double> normal;
        Matrix a(n, n);
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < n; ++j) a(i, j) = normal(random);
        precision = a * a.transpose() + 0.3 * Matrix::Identity(n, n);
        upper = precision.llt().matrixU();
        const Eigen::VectorXd scale = precision.diagonal().cwiseSqrt().cwiseInverse();
        const Matrix scaled = scale.asDiagonal() * precision * scale.asDiagonal();
        form.n_labels = n;
        form.precision = precision.data();
        form.upper = upper.data();
        const Eigen::VectorXd shares = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(scaled).eigenvalues();
        form.split = 0.999 * shares(0);
        form.majorant = 1.001 * shares(n - 1);
    }
};

std::vector<double> drawn_probs(Index n, int seed, bool ties) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    std::vector<double> p(static_cast<std::size_t>(n));
    for (double& x : p)
        x = ties ? 0.5 * static_cast<double>(random() % 3) : static_cast<double>(random() % 1001) / 1000.0;
    return p;
}

std::vector<std::uint8_t> members(std::size_t pattern, Index n) {
    std::vector<std::uint8_t> set(static_cast<std::size_t>(n));
    for (Index k = 0; k < n; ++k) set[static_cast<std::size_t>(k)] = pattern >> k & 1;
    return set;
}

template <class Body>
void for_each_problem(Body&& body) {
    for (const Index n : {1, 2, 5, 9})
        for (const int seed : {0, 1, 2})
            for (const bool ties : {false, true}) {
                const Form form(n, seed);
                FlipSearch search(form.form);
                search.load(drawn_probs(n, seed + 10, ties).data());
                std::map<std::vector<std::uint8_t>, double> scores;
                for (std::size_t pattern = 0; pattern < std::size_t{1} << n; ++pattern) {
                    const auto set = members(pattern, n);
                    scores[set] = search.score_of(set.data());
                }
                body(search, scores, n);
            }
}

}  // namespace

TEST(a_walk_finds_the_sets_within_the_threshold) {
    for_each_problem([](FlipSearch& search, const auto& scores, Index n) {
        std::vector<double> thresholds;
        for (const auto& [set, score] : scores) thresholds.push_back(score);
        std::sort(thresholds.begin(), thresholds.end());
        for (const std::size_t at : {std::size_t{0}, thresholds.size() / 3, thresholds.size() - 1}) {
            for (const double tau : {thresholds[at], std::nextafter(thresholds[at], 0.0)}) {
                std::map<std::vector<std::uint8_t>, double> found, expected;
                for (const auto& [set, score] : scores)
                    if (score <= tau) expected[set] = score;
                double limit = tau;
                search.walk(
                    limit,
                    [&](const std::uint8_t* set, double score) {
                        CHECK(found.emplace(std::vector<std::uint8_t>(set, set + n), score).second);
                        return true;
                    },
                    true);
                CHECK(found == expected);
            }
        }
    });
}

TEST(sets_are_counted_as_by_going_through_all) {
    for_each_problem([](FlipSearch& search, const auto& scores, Index) {
        std::vector<double> thresholds;
        for (const auto& [set, score] : scores) thresholds.push_back(score);
        std::sort(thresholds.begin(), thresholds.end());
        for (const std::size_t at : {std::size_t{0}, thresholds.size() / 3, thresholds.size() - 1})
            for (const double tau : {thresholds[at], std::nextafter(thresholds[at], 0.0)}) {
                const auto expected = std::upper_bound(thresholds.begin(), thresholds.end(), tau) - thresholds.begin();
                const auto n = static_cast<std::uint64_t>(expected);
                int n_pauses = 0;
                CHECK(search.count(tau, expected, [&] { ++n_pauses; }) == n);
                CHECK(n == 0 || n_pauses == 0);
                if (n) CHECK(!search.count(tau, expected - 1, [] {}));
            }
    });
}

TEST(a_walk_ends_when_told) {
    const Form form(6, 3);
    FlipSearch search(form.form);
    search.load(drawn_probs(6, 1, false).data());
    double tau = 1e9;
    int n = 0;
    search.walk(tau, [&](const std::uint8_t*, double) { return ++n < 5; });
    CHECK_EQUAL(n, 5);
}

TEST(the_best_set_is_the_cheapest_of_all_and_keeps_forced_labels) {
    for_each_problem([](FlipSearch& search, const auto& scores, Index n) {
        std::vector<std::uint8_t> best(static_cast<std::size_t>(n));
        for (Index forced = -1; forced < n; ++forced) {
            for (const bool value : {false, true}) {
                double least = INFINITY;
                for (const auto& [set, score] : scores)
                    if (forced < 0 || static_cast<bool>(set[static_cast<std::size_t>(forced)]) == value)
                        least = std::min(least, score);
                if (forced >= 0) search.force(forced, value);
                CHECK_EQUAL(search.minimise(best.data()), least);
                if (forced >= 0) search.release(forced);
                CHECK_EQUAL(scores.at(best), least);
                if (forced >= 0) CHECK_EQUAL(static_cast<bool>(best[static_cast<std::size_t>(forced)]), value);
            }
        }
    });
}

TEST(bounds_by_the_diagonal_enclose_the_number_of_sets) {
    for_each_problem([](FlipSearch& search, const auto& scores, Index) {
        for (const double share : {0.1, 0.5, 1.0}) {
            double most = 0.0;
            for (const auto& [set, score] : scores) most = std::max(most, score);
            const double tau = share * most;
            std::uint64_t n = 0;
            for (const auto& [set, score] : scores) n += score <= tau;
            CHECK(!(search.upper_bound(tau, {}) < BigCount(n)));
            CHECK(!(BigCount(n) < search.lower_bound(tau, {})));
        }
    });
}

TEST(labels_are_projected_as_by_all_sets) {
    for_each_problem([](FlipSearch& search, const auto& scores, Index n) {
        double most = 0.0;
        for (const auto& [set, score] : scores) most = std::max(most, score);
        for (const double share : {0.0, 0.3, 0.7, 1.0}) {
            std::vector<std::uint8_t> found(static_cast<std::size_t>(n));
            search.project(share * most, found.data());
            for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
                bool zero = false, one = false;
                for (const auto& [set, score] : scores)
                    if (score <= share * most) (set[k] ? one : zero) = true;
                CHECK_EQUAL(int{found[k]}, zero == one ? 2 : int{one});
            }
        }
    });
}
