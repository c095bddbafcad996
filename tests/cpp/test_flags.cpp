// From doubt to flags, by hand on six examples and two labels, and alike for dense and sparse scores and any threads.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "mlkit/quality/flags.hpp"

using namespace mlkit;
using namespace mlkit::quality;

namespace {

constexpr Index n_rows = 6, n_labels = 2;

// Label 0 is given in rows 0, 1, 2, label 1 in row 5. The model disagrees, from worst to mildest, in
//   label 0, given 0: row 4 (0.95), row 3 (0.6);   given 1: row 1 (0.2), row 2 (0.2, a tie);
//   label 1, given 0: row 0 (0.7);                 given 1: row 5 (0.1).
const std::vector<Index> indptr{0, 1, 2, 3, 3, 3, 4};
const std::vector<std::int32_t> indices{0, 0, 0, 1};
const std::vector<double> probs{0.9, 0.7, 0.2, 0.1, 0.2, 0.3, 0.6, 0.0, 0.95, 0.0, 0.1, 0.1};
const std::vector<double> absent(n_labels, 0.5000005), present(n_labels, 0.4999995);

Cells dense_cells() {
    return {
        {n_rows, n_labels, indptr.data(), indices.data(), nullptr, Background::negative},
        DenseScores{n_rows, n_labels, reinterpret_cast<const std::byte*>(probs.data()), 16, 8, Real::float64, false}};
}

/// The same scores without their zeros.
struct SparseCells {
    std::vector<Index> score_indptr{0};
    std::vector<std::int32_t> score_indices;
    std::vector<double> stored;

    SparseCells() {
        for (std::size_t i = 0; i < n_rows; ++i) {
            for (std::size_t j = 0; j < n_labels; ++j) {
                if (probs[n_labels * i + j] == 0.0) continue;
                score_indices.push_back(static_cast<std::int32_t>(j));
                stored.push_back(probs[n_labels * i + j]);
            }
            score_indptr.push_back(static_cast<Index>(stored.size()));
        }
    }
    Cells cells() const {
        return {{n_rows, n_labels, indptr.data(), indices.data(), nullptr, Background::negative},
                SparseScores{n_rows, n_labels, score_indptr.data(), score_indices.data(),
                             reinterpret_cast<const std::byte*>(stored.data()), Real::float64, false}};
    }
};

std::string text(const FlaggedCells& cells) {
    std::string out;
    for (std::size_t i = 0; i + 1 < cells.indptr.size(); ++i)
        for (auto k = static_cast<std::size_t>(cells.indptr[i]); k < static_cast<std::size_t>(cells.indptr[i + 1]); ++k)
            out +=
                std::to_string(i) + ',' + std::to_string(cells.labels[k]) + '=' + std::to_string(cells.given[k]) + ' ';
    return out;
}

DoubtHistogram histogram_of(const Cells& cells, bool pooled, int n_bins, int n_threads) {
    DoubtHistogram histogram(n_labels, {absent.data(), present.data()}, {pooled}, n_bins);
    fill_histogram(cells, histogram, {n_threads, {}});
    return histogram;
}

std::string flagged_within(const Cells& cells, const std::vector<Index>& budgets, bool pooled, int n_bins,
                           int n_threads) {
    const DoubtHistogram histogram = histogram_of(cells, pooled, n_bins, n_threads);
    const FlagPlan plan = FlagPlan::within(histogram, budgets.data(), n_labels);
    const FlaggedCells found = flag_cells(cells, plan, {n_threads, {}});
    std::vector<std::uint8_t> mask(n_rows, 7), expected(n_rows, 0);
    flag_rows(cells, plan, {n_threads, {}}, mask.data());
    for (std::size_t i = 0; i < n_rows; ++i) expected[i] = found.indptr[i + 1] > found.indptr[i];
    CHECK(mask == expected);
    return text(found);
}

}  // namespace

TEST(all_doubted_cells_are_flagged_without_a_budget) {
    const SparseCells sparse;
    for (const Cells& cells : {dense_cells(), sparse.cells()}) {
        for (const int n_threads : {1, 3}) {
            const FlagPlan plan = FlagPlan::all({absent.data(), present.data()}, n_labels);
            const FlaggedCells found = flag_cells(cells, plan, {n_threads, {}});
            CHECK_EQUAL(text(found), "0,1=0 1,0=1 2,0=1 3,0=0 4,0=0 5,1=1 ");
            CHECK(found.p == std::vector<double>{0.7, 0.2, 0.2, 0.6, 0.95, 0.1});
        }
    }
}

TEST(a_histogram_counts_the_doubted_cells_of_each_side) {
    const SparseCells sparse;
    for (const Cells& cells : {dense_cells(), sparse.cells()}) {
        for (const int n_bins : {1, 2, 64}) {
            const DoubtHistogram sides = histogram_of(cells, false, n_bins, 1);
            CHECK_EQUAL(sides.total(0), 2);  // label 0, given 0
            CHECK_EQUAL(sides.total(1), 2);  // label 0, given 1
            CHECK_EQUAL(sides.total(2), 1);
            CHECK_EQUAL(sides.total(3), 1);
            const DoubtHistogram labels = histogram_of(cells, true, n_bins, 1);
            CHECK_EQUAL(labels.total(0), 4);
            CHECK_EQUAL(labels.total(1), 2);
        }
    }
}

TEST(a_budget_takes_the_least_confident_cells_and_breaks_ties_by_row) {
    const SparseCells sparse;
    for (const Cells& cells : {dense_cells(), sparse.cells()}) {
        for (const int n_bins : {1, 2, 64}) {
            for (const int n_threads : {1, 3}) {
                CHECK_EQUAL(flagged_within(cells, {1, 1, 0, 0}, false, n_bins, n_threads), "1,0=1 4,0=0 ");
                CHECK_EQUAL(flagged_within(cells, {0, 2, 0, 1}, false, n_bins, n_threads), "1,0=1 2,0=1 5,1=1 ");
                CHECK_EQUAL(flagged_within(cells, {0, 0, 0, 0}, false, n_bins, n_threads), "");
            }
        }
    }
}

TEST(a_budget_beyond_the_doubted_cells_takes_them_all) {
    CHECK_EQUAL(flagged_within(dense_cells(), {9, 9, 9, 9}, false, 4, 1), "0,1=0 1,0=1 2,0=1 3,0=0 4,0=0 5,1=1 ");
}

TEST(a_pooled_budget_is_shared_by_both_sides_of_a_label) {
    for (const int n_bins : {1, 8}) {
        CHECK_EQUAL(flagged_within(dense_cells(), {1, 1}, true, n_bins, 1), "4,0=0 5,1=1 ");
        CHECK_EQUAL(flagged_within(dense_cells(), {2, 2}, true, n_bins, 1), "0,1=0 1,0=1 4,0=0 5,1=1 ");
        CHECK_EQUAL(flagged_within(dense_cells(), {3, 0}, true, n_bins, 1), "1,0=1 2,0=1 4,0=0 ");
    }
}

TEST(unknown_cells_are_never_flagged) {
    const std::vector<std::int8_t> values{1, -1, 1, -1};
    Cells cells = dense_cells();
    cells.labels.values = values.data();
    const FlagPlan plan = FlagPlan::all({absent.data(), present.data()}, n_labels);
    CHECK_EQUAL(text(flag_cells(cells, plan, {1, {}})), "0,1=0 2,0=1 3,0=0 4,0=0 ");
}

TEST(with_an_unknown_background_only_stored_cells_are_flagged) {
    const std::vector<std::int8_t> values{0, 1, 1, 0};
    Cells cells = dense_cells();
    cells.labels.values = values.data();
    cells.labels.background = Background::unknown;
    const FlagPlan plan = FlagPlan::all({absent.data(), present.data()}, n_labels);
    CHECK_EQUAL(text(flag_cells(cells, plan, {1, {}})), "0,0=0 1,0=1 2,0=1 ");
}

TEST(a_prune_budget_is_what_the_joint_counts_off_its_diagonal) {
    const Joint joint{{{75, 25}, {10, 30}}};
    CHECK_EQUAL(prune_budget(joint, 0, 100, 1.0, 1, PruneRule::by_noise_rate), 25);
    CHECK_EQUAL(prune_budget(joint, 1, 40, 1.0, 1, PruneRule::by_noise_rate), 10);
    CHECK_EQUAL(prune_budget(joint, 0, 100, 0.5, 1, PruneRule::by_noise_rate), 12);
    CHECK_EQUAL(prune_budget(joint, 0, 100, 1.0, 1, PruneRule::by_class), 25);
    CHECK_EQUAL(prune_budget(joint, 0, 100, 1.0, 1, PruneRule::both), 25);
    CHECK_EQUAL(prune_budget(joint, 1, 40, 1.0, 40, PruneRule::by_noise_rate), 0);  // too few examples on that side
}

TEST(large_random_cells_are_flagged_as_by_sorting) {
    constexpr Index rows = 3000;
    std::mt19937_64 random(5);
    std::vector<double> p(rows);
    for (double& x : p) x = static_cast<double>(random() % 200) / 200.0;  // many ties
    std::vector<Index> bounds{0};
    std::vector<std::int32_t> given;
    for (Index i = 0; i < rows; ++i) {
        if (random() % 3 == 0) given.push_back(0);
        bounds.push_back(static_cast<Index>(given.size()));
    }
    const Cells cells{{rows, 1, bounds.data(), given.data(), nullptr, Background::negative},
                      DenseScores{rows, 1, reinterpret_cast<const std::byte*>(p.data()), 8, 8, Real::float64, false}};
    const auto has = [&](Index i) {
        return bounds[static_cast<std::size_t>(i) + 1] > bounds[static_cast<std::size_t>(i)];
    };
    const auto doubt = [&](Index i) {
        return has(i) ? p[static_cast<std::size_t>(i)] : 1.0 - p[static_cast<std::size_t>(i)];
    };
    const std::vector<Index> budgets{100, 150};
    std::vector<Index> expected;
    for (const int side : {0, 1}) {
        std::vector<Index> doubted;
        for (Index i = 0; i < rows; ++i)
            if (has(i) == (side == 1) && doubt(i) <= present[0]) doubted.push_back(i);
        std::stable_sort(doubted.begin(), doubted.end(), [&](Index a, Index b) { return doubt(a) < doubt(b); });
        doubted.resize(static_cast<std::size_t>(budgets[static_cast<std::size_t>(side)]));
        expected.insert(expected.end(), doubted.begin(), doubted.end());
    }
    std::sort(expected.begin(), expected.end());
    for (const int n_bins : {1, 16, 512}) {
        for (const int n_threads : {1, 2, 8}) {
            DoubtHistogram histogram(1, {absent.data(), present.data()}, {false}, n_bins);
            fill_histogram(cells, histogram, {n_threads, {}});
            const FlagPlan plan = FlagPlan::within(histogram, budgets.data(), 1);
            const FlaggedCells found = flag_cells(cells, plan, {n_threads, {}});
            std::vector<Index> rows_found;
            for (Index i = 0; i < rows; ++i)
                if (found.indptr[static_cast<std::size_t>(i) + 1] > found.indptr[static_cast<std::size_t>(i)])
                    rows_found.push_back(i);
            CHECK(rows_found == expected);
        }
    }
}
