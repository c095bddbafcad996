// Scores of any type and memory order arrive as the same rows of doubles.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "mlkit/core/cells.hpp"

using namespace mlkit;

namespace {

using Matrix = std::vector<std::vector<double>>;

/// What a kernel sees: every row through the one walk that all of them share; 0 where a sparse row stores nothing.
Matrix rows_of(const Scores& scores, Index n_rows, Index n_labels, int n_threads = 1) {
    const std::vector<Index> no_labels(static_cast<std::size_t>(n_rows) + 1, 0);
    const Cells cells{{n_rows, n_labels, no_labels.data(), nullptr, nullptr, Background::negative}, scores};
    Matrix seen(static_cast<std::size_t>(n_rows), std::vector<double>(static_cast<std::size_t>(n_labels), 0.0));
    for_each_row(cells, {n_threads, {}}, [&](int, Index i, const LabelRow&, const auto& row) {
        for (Index k = 0; k < row.size; ++k) {
            Index label = k;
            if constexpr (std::is_same_v<std::decay_t<decltype(row)>, SparseRow>) label = row.labels[k];
            seen[static_cast<std::size_t>(i)][static_cast<std::size_t>(label)] = static_cast<double>(row.p[k]);
        }
    });
    return seen;
}

template <class T>
const std::byte* bytes(const T* at) {
    return reinterpret_cast<const std::byte*>(at);
}

/// A half-precision number by its definition.
double half_by_definition(std::uint16_t h) {
    const int sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    if (exponent == 31)
        return mantissa ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
    if (exponent == 0) return sign * std::ldexp(mantissa, -24);
    return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

template <class T>
std::vector<T> random_values(Index n, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    std::vector<T> values(static_cast<std::size_t>(n));
    for (T& x : values) x = static_cast<T>(uniform(random));
    return values;
}

template <class T>
constexpr Real real_of = std::is_same_v<T, double> ? Real::float64 : Real::float32;

template <class T>
void check_all_layouts(Index n_rows, Index n_labels) {
    constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(T));
    constexpr Real real = real_of<T>;
    const std::vector<T> c_order = random_values<T>(n_rows * n_labels, 7);
    const auto at = [&](Index i, Index j) { return c_order[static_cast<std::size_t>(i * n_labels + j)]; };
    Matrix expected(static_cast<std::size_t>(n_rows), std::vector<double>(static_cast<std::size_t>(n_labels)));
    std::vector<T> f_order(c_order.size()), spread(4 * c_order.size()), backwards(c_order.size());
    for (Index i = 0; i < n_rows; ++i)
        for (Index j = 0; j < n_labels; ++j) {
            expected[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = static_cast<double>(at(i, j));
            f_order[static_cast<std::size_t>(j * n_rows + i)] = at(i, j);
            spread[static_cast<std::size_t>(2 * i * 2 * n_labels + 2 * j)] = at(i, j);
            backwards[static_cast<std::size_t>((n_rows - 1 - i) * n_labels + (n_labels - 1 - j))] = at(i, j);
        }
    const DenseScores layouts[] = {
        {n_rows, n_labels, bytes(c_order.data()), n_labels * size, size, real, false},
        {n_rows, n_labels, bytes(f_order.data()), size, n_rows * size, real, false},
        {n_rows, n_labels, bytes(spread.data()), 4 * n_labels * size, 2 * size, real, false},
        {n_rows, n_labels, bytes(backwards.data() + backwards.size() - 1), -n_labels * size, -size, real, false},
    };
    for (const DenseScores& scores : layouts)
        for (const int n_threads : {1, 3}) CHECK(rows_of(scores, n_rows, n_labels, n_threads) == expected);
}

template <class T>
void check_odd_address() {
    constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(T));
    const std::vector<T> values = random_values<T>(12, 3);
    std::vector<std::byte> raw(13 + 12 * sizeof(T));
    std::memcpy(raw.data() + 13, values.data(), 12 * sizeof(T));
    const Matrix seen = rows_of(DenseScores{3, 4, raw.data() + 13, 4 * size, size, real_of<T>, false}, 3, 4);
    for (std::size_t k = 0; k < 12; ++k) CHECK_EQUAL(seen[k / 4][k % 4], static_cast<double>(values[k]));
}

}  // namespace

TEST(all_65536_halves_are_widened_by_their_definition) {
    std::vector<std::uint16_t> halves(65536);
    for (std::size_t h = 0; h < halves.size(); ++h) halves[h] = static_cast<std::uint16_t>(h);
    const Matrix seen = rows_of(DenseScores{256, 256, bytes(halves.data()), 512, 2, Real::float16, false}, 256, 256);
    for (std::size_t h = 0; h < halves.size(); ++h) {
        const double got = seen[h / 256][h % 256], expected = half_by_definition(halves[h]);
        CHECK(std::isnan(expected) ? std::isnan(got) : got == expected && std::signbit(got) == std::signbit(expected));
    }
}

TEST(doubles_arrive_unchanged_from_every_memory_order) {
    check_all_layouts<double>(300, 7);
    check_all_layouts<double>(3, 5000);
}

TEST(floats_are_widened_exactly_from_every_memory_order) {
    check_all_layouts<float>(300, 7);
    check_all_layouts<float>(3, 5000);
}

TEST(one_row_and_one_label_are_read_like_any_other) {
    check_all_layouts<double>(1, 1);
    check_all_layouts<float>(1, 9);
    check_all_layouts<float>(600, 1);
}

TEST(numbers_at_odd_addresses_are_read_too) {
    check_odd_address<float>();
    check_odd_address<double>();
}

TEST(sparse_numbers_at_odd_addresses_are_read_too) {
    const std::vector<Index> indptr{0, 1, 3};
    const std::vector<std::int32_t> indices{1, 0, 1};
    const std::vector<double> values = random_values<double>(3, 5);
    std::vector<std::byte> raw(1 + 3 * sizeof(double));
    std::memcpy(raw.data() + 1, values.data(), 3 * sizeof(double));
    const Matrix seen =
        rows_of(SparseScores{2, 2, indptr.data(), indices.data(), raw.data() + 1, Real::float64, false}, 2, 2);
    CHECK(seen == Matrix{{0.0, values[0]}, {values[1], values[2]}});
}

TEST(broadcast_rows_repeat_the_same_numbers) {
    const std::vector<double> values = random_values<double>(5, 4);
    const Matrix seen = rows_of(DenseScores{40, 5, bytes(values.data()), 0, 8, Real::float64, false}, 40, 5);
    for (const auto& row : seen) CHECK(row == values);
}

TEST(clipping_brings_rounding_back_into_the_interval_and_touches_nothing_else) {
    const std::vector<double> values{-1e-7, 0.0, 0.25, 1.0, 1.0 + 1e-7, 0.75};
    const std::vector<double> expected{0.0, 0.0, 0.25, 1.0, 1.0, 0.75};
    const Matrix seen = rows_of(DenseScores{1, 6, bytes(values.data()), 48, 8, Real::float64, true}, 1, 6);
    CHECK(seen[0] == expected);
    const Matrix column = rows_of(DenseScores{6, 1, bytes(values.data()), 8, 8, Real::float64, true}, 6, 1);
    for (std::size_t i = 0; i < 6; ++i) CHECK_EQUAL(column[i][0], expected[i]);
    CHECK_EQUAL(values[0], -1e-7);  // the caller's numbers stay as they are
}

TEST(sparse_rows_hold_what_is_stored_and_zero_elsewhere) {
    const std::vector<Index> indptr{0, 2, 2, 5};
    const std::vector<std::int32_t> indices{1, 3, 0, 2, 3};
    const Matrix expected{{0.0, 0.5, 0.0, 0.25}, {0.0, 0.0, 0.0, 0.0}, {1.0, 0.0, 0.125, 0.75}};
    const std::vector<double> doubles{0.5, 0.25, 1.0, 0.125, 0.75};
    const std::vector<float> floats{0.5f, 0.25f, 1.0f, 0.125f, 0.75f};
    const std::vector<std::uint16_t> halves{0x3800, 0x3400, 0x3c00, 0x3000, 0x3a00};
    const SparseScores stored[] = {
        {3, 4, indptr.data(), indices.data(), bytes(doubles.data()), Real::float64, false},
        {3, 4, indptr.data(), indices.data(), bytes(floats.data()), Real::float32, false},
        {3, 4, indptr.data(), indices.data(), bytes(halves.data()), Real::float16, false},
        {3, 4, indptr.data(), indices.data(), bytes(doubles.data()), Real::float64, true},
    };
    for (const SparseScores& scores : stored) CHECK(rows_of(scores, 3, 4) == expected);
}

TEST(sparse_scores_are_clipped_too) {
    const std::vector<Index> indptr{0, 3};
    const std::vector<std::int32_t> indices{0, 1, 2};
    const std::vector<float> values{-1e-7f, 0.5f, 1.0000001f};
    const Matrix seen =
        rows_of(SparseScores{1, 3, indptr.data(), indices.data(), bytes(values.data()), Real::float32, true}, 1, 3);
    CHECK(seen == Matrix{{0.0, 0.5, 1.0}});
}

TEST(many_sparse_tiles_are_read_alike_by_any_number_of_threads) {
    constexpr Index n_rows = 2000, n_labels = 50;
    std::mt19937_64 random(9);
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> indices;
    std::vector<float> values;
    Matrix expected(n_rows, std::vector<double>(n_labels, 0.0));
    for (Index i = 0; i < n_rows; ++i) {
        for (std::int32_t j = 0; j < n_labels; ++j) {
            if (random() % 10) continue;
            const auto p = static_cast<float>(random() % 1000) / 1000.0f;
            indices.push_back(j);
            values.push_back(p);
            expected[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = static_cast<double>(p);
        }
        indptr.push_back(static_cast<Index>(indices.size()));
    }
    const SparseScores scores{n_rows,        n_labels, indptr.data(), indices.data(), bytes(values.data()),
                              Real::float32, false};
    for (const int n_threads : {1, 2, 8}) CHECK(rows_of(scores, n_rows, n_labels, n_threads) == expected);
}

TEST(no_rows_and_no_labels_are_no_trouble) {
    CHECK(rows_of(DenseScores{0, 3, nullptr, 24, 8, Real::float64, false}, 0, 3).empty());
    CHECK(rows_of(DenseScores{2, 0, nullptr, 0, 8, Real::float32, false}, 2, 0) == Matrix{{}, {}});
}
