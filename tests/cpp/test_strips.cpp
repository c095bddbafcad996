// Strips hold every row once, with its stored labels in their places.

#include <random>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "mlkit/core/strips.hpp"

using namespace mlkit;

namespace {

struct Problem {
    Index n_rows, n_labels;
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> labels;
    std::vector<std::int8_t> values;
    std::vector<double> p;

    /// Rows with none, few and all labels stored.
    Problem(Index rows, Index n, std::uint64_t seed) : n_rows(rows), n_labels(n) {
        std::mt19937_64 random(seed);
        for (Index i = 0; i < rows; ++i) {
            const std::uint64_t percent = i % 5 == 0 ? 0 : i % 7 == 0 ? 100 : 10;
            for (Index j = 0; j < n; ++j) {
                p.push_back(static_cast<double>(random() % 1000) / 1000);
                if (random() % 100 >= percent) continue;
                labels.push_back(static_cast<std::int32_t>(j));
                values.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1));
            }
            indptr.push_back(static_cast<Index>(labels.size()));
        }
    }
    LabelView view(Background background) const {
        return {n_rows, n_labels, indptr.data(), labels.data(), values.data(), background};
    }
    DenseScores dense() const {
        return {n_rows, n_labels, reinterpret_cast<const std::byte*>(p.data()), 8 * n_labels, 8, Real::float64, false};
    }
};

/// Every cell of every strip is compared with the problem's own arrays.
void check_strips(const Problem& problem, Background background, int n_threads) {
    const Cells cells{problem.view(background), problem.dense()};
    std::vector<int> seen(static_cast<std::size_t>(problem.n_rows), 0);
    std::vector<std::vector<Index>> wrong(static_cast<std::size_t>(n_threads));
    for_each_strip(cells, {n_threads, {}}, [&](int thread, const auto& strip) {
        const auto note = [&](bool right) {
            if (!right) wrong[static_cast<std::size_t>(thread)].push_back(strip.first);
        };
        note(strip.n_rows <= strip_rows(cells));
        if constexpr (std::is_same_v<std::decay_t<decltype(strip.scores)>, DenseRow>) {
            note(strip.scores.size == strip.n_rows * problem.n_labels);
            for (Index k = 0; k < strip.scores.size; ++k)
                note(strip.scores.p[k] == problem.p[static_cast<std::size_t>(strip.first * problem.n_labels + k)]);
        }
        Index k = 0;
        for (Index i = strip.first; i < strip.first + strip.n_rows; ++i) {
            ++seen[static_cast<std::size_t>(i)];
            const LabelRow row = cells.labels.row(i);
            for (Index s = 0; s < row.size; ++s, ++k) {
                const Index place = (i - strip.first) * problem.n_labels + row.labels[s];
                note(k < strip.stored.size && strip.stored.labels[k] == row.labels[s] &&
                     strip.stored.value(k) == row.value(s) && strip.stored.places[k] == place &&
                     strip.stored.p[k] == problem.p[static_cast<std::size_t>(i * problem.n_labels + row.labels[s])]);
            }
        }
        note(k == strip.stored.size);
    });
    for (const auto& strips : wrong) CHECK(strips.empty());
    for (const int times : seen) CHECK_EQUAL(times, 1);
}

}  // namespace

TEST(strips_hold_every_row_once_and_its_labels_in_place) {
    for (const Index n_labels : {1, 3, 20, 100, 600})
        for (const Index n_rows : {1, 2, 26, 700})
            for (const int n_threads : {1, 3}) {
                const Problem problem(n_rows, n_labels, static_cast<std::uint64_t>(n_rows + n_labels));
                check_strips(problem, Background::negative, n_threads);
                check_strips(problem, Background::unknown, n_threads);
            }
}

TEST(short_rows_are_glued_only_where_they_lie_end_to_end) {
    const Problem problem(50, 20, 1);
    Cells cells{problem.view(Background::negative), problem.dense()};
    CHECK_EQUAL(strip_rows(cells), Index{25});
    DenseScores every_other = problem.dense();
    every_other.n_rows = 25;
    every_other.row_stride *= 2;
    cells.scores = every_other;
    CHECK_EQUAL(strip_rows(cells), Index{1});
    every_other.real = Real::float32;  // is copied on reading, and then lies end to end
    cells.scores = every_other;
    CHECK_EQUAL(strip_rows(cells), Index{25});
}

TEST(a_strip_of_a_sparse_row_finds_the_scores_of_its_labels) {
    const std::vector<Index> indptr{0, 2, 2}, score_indptr{0, 3, 4};
    const std::vector<std::int32_t> labels{1, 4}, scored{0, 4, 5, 2};
    const std::vector<double> p{0.25, 0.5, 0.75, 1.0};
    const Cells cells{{2, 6, indptr.data(), labels.data(), nullptr, Background::negative},
                      SparseScores{2, 6, score_indptr.data(), scored.data(),
                                   reinterpret_cast<const std::byte*>(p.data()), Real::float64, false}};
    Index n_strips = 0;
    for_each_strip(cells, {}, [&](int, const auto& strip) {
        CHECK_EQUAL(strip.n_rows, Index{1});
        CHECK_EQUAL(strip.first, n_strips++);
        CHECK_EQUAL(strip.stored.size, Index{strip.first == 0 ? 2 : 0});
        if (strip.first > 0) return;
        CHECK_EQUAL(strip.stored.p[0], 0.0);
        CHECK_EQUAL(strip.stored.p[1], 0.5);
        CHECK_EQUAL(strip.stored.value(1), 1);
    });
    CHECK_EQUAL(n_strips, Index{2});
}
