// Sums per label: rows, single terms and spills give the same words.

#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/core/label_sums.hpp"

using namespace mlkit;

TEST(rows_and_single_terms_give_the_same_sums_as_plain_addition) {
    constexpr Index n_labels = 37, n_rows = 500;
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    LabelSums by_row(n_labels), by_term(n_labels);
    std::vector<WideSum> expected(n_labels);
    std::vector<double> row(n_labels);
    for (Index i = 0; i < n_rows; ++i) {
        for (double& p : row) p = uniform(random);
        by_row.reserve(1);
        by_term.reserve(1);
        by_row.add_row(row.data(), n_labels);
        for (Index j = 0; j < n_labels; ++j) {
            by_term.add(j, row[static_cast<std::size_t>(j)]);
            expected[static_cast<std::size_t>(j)].add(fixed_point::units(row[static_cast<std::size_t>(j)]));
        }
        if (i == 123) by_term.spill();
    }
    by_row.spill();
    by_term.spill();
    for (Index j = 0; j < n_labels; ++j) {
        const WideSum want = expected[static_cast<std::size_t>(j)].canonical();
        for (const LabelSums* sums : {&by_row, &by_term}) {
            CHECK_EQUAL(sums->wide(j).canonical().high, want.high);
            CHECK_EQUAL(sums->wide(j).canonical().low, want.low);
        }
    }
}

TEST(more_terms_than_64_bits_hold_spill_in_time) {
    constexpr Index n = 3 * fixed_point::terms_before_spill;
    LabelSums sums(1);
    for (Index k = 0; k < n; ++k) {
        sums.reserve(1);
        sums.add(0, 1.0);
    }
    sums.spill();
    CHECK_EQUAL(sums.wide(0).value(), static_cast<double>(n));
}
