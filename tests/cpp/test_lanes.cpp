// Eight rows sorted side by side are what each row sorted alone is.

#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/core/lanes.hpp"

using namespace mlkit;

namespace {

using Rows = std::vector<std::vector<double>>;

/// Rows with few distinct values now and then: ties are the rule in saturated probabilities.
Rows random_rows(Index n, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Rows rows(lanes::width, std::vector<double>(static_cast<std::size_t>(n)));
    for (std::size_t r = 0; r < rows.size(); ++r)
        for (double& x : rows[r])
            x = r % 2 ? static_cast<double>(random() % 4) / 3 : static_cast<double>(random()) / 2e19;
    return rows;
}

std::vector<lanes::Lanes> side_by_side(const Rows& rows) {
    const auto n = rows.front().size();
    std::vector<lanes::Lanes> all(static_cast<std::size_t>(lanes::padded(static_cast<Index>(n))));
    for (std::size_t r = 0; r < rows.size(); ++r)
        for (std::size_t j = 0; j < n; ++j) all[j].v[r] = rows[r][j];
    return all;
}

template <class Sort>
void check_the_smallest(Sort&& sort) {
    for (Index n = 1; n <= 200; ++n) {
        Rows rows = random_rows(n, static_cast<std::uint64_t>(n));
        std::vector<lanes::Lanes> v = side_by_side(rows);
        sort(v.data(), n);
        for (std::size_t r = 0; r < rows.size(); ++r) {
            std::sort(rows[r].begin(), rows[r].end());
            for (std::size_t j = 0; j < std::min<std::size_t>(rows[r].size(), lanes::block); ++j)
                CHECK_EQUAL(v[j].v[r], rows[r][j]);
        }
    }
}

}  // namespace

TEST(the_smallest_values_come_first_in_rows_of_any_length) {
    check_the_smallest([](lanes::Lanes* v, Index n) { lanes::sort_smallest(v, n); });
}

TEST(registers_of_any_width_sort_alike) {
    check_the_smallest([](lanes::Lanes* v, Index n) {
        lanes::fill_up(v, n);
        lanes::detail::sort_parts<lanes::detail::Pair>(v, n);
    });
#if defined(__GNUC__)
    check_the_smallest([](lanes::Lanes* v, Index n) {
        lanes::fill_up(v, n);
        lanes::detail::sort_parts<lanes::detail::Half>(v, n);
    });
#endif
    check_the_smallest([](lanes::Lanes* v, Index n) {
        lanes::fill_up(v, n);
        lanes::detail::sort_parts<lanes::detail::Vector>(v, n);
    });
}

TEST(the_moving_average_has_the_bits_of_one_row_alone) {
    const Rows rows = random_rows(25, 3);
    const std::vector<lanes::Lanes> v = side_by_side(rows);
    for (const Index depth : {1, 2, 25}) {
        for (const double alpha : {0.8, 0.3, 1.0}) {
            lanes::Lanes averages;
            lanes::moving_average(v.data(), depth, alpha, &averages);
            for (std::size_t r = 0; r < rows.size(); ++r) {
                double e = rows[r][static_cast<std::size_t>(depth) - 1];
                for (Index j = depth - 2; j >= 0; --j) {
                    const double step = alpha * (rows[r][static_cast<std::size_t>(j)] - e);
                    e = e + step;
                }
                CHECK_EQUAL(averages.v[r], e);
            }
        }
    }
}
