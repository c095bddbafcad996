// Excursions: any number of threads gives the same places, and rows without stored cells count.

#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/quality/row_order.hpp"

using namespace mlkit;

namespace {

struct Matrix {
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> indices;
    std::vector<std::int8_t> values;
    std::vector<Index> positive, known;
    LabelView view;

    Matrix(Index n_rows, Index n_labels, Background background) : positive(n_labels, 0), known(n_labels, 0) {
        std::mt19937 random(3);
        const bool negative = background == Background::negative;
        if (negative) known.assign(static_cast<std::size_t>(n_labels), n_rows);
        for (Index i = 0; i < n_rows; ++i) {
            for (Index j = 0; j < n_labels; ++j) {
                if (random() % 3) continue;
                const bool one = random() % 2;
                indices.push_back(static_cast<std::int32_t>(j));
                values.push_back(static_cast<std::int8_t>(one ? 1 : negative ? -1 : 0));
                positive[static_cast<std::size_t>(j)] += one;
                known[static_cast<std::size_t>(j)] += negative ? (one ? 0 : -1) : 1;
            }
            indptr.push_back(static_cast<Index>(indices.size()));
        }
        view = {n_rows, n_labels, indptr.data(), indices.data(), values.data(), background};
    }
};

}  // namespace

TEST(excursions_do_not_depend_on_threads) {
    for (const Background background : {Background::negative, Background::unknown}) {
        const Matrix m(40'000, 30, background);
        const auto one = quality::largest_excursions(m.view, m.positive.data(), m.known.data(), {1});
        for (const int n_threads : {2, 3, 7}) {
            const auto many = quality::largest_excursions(m.view, m.positive.data(), m.known.data(), {n_threads});
            CHECK(many.highest == one.highest && many.lowest == one.lowest);
            CHECK(many.high == one.high && many.low == one.low);
        }
    }
}

TEST(a_label_given_in_the_last_rows_only_is_furthest_off_before_them) {
    std::vector<Index> indptr(11, 0);
    indptr[9] = 1;
    indptr[10] = 2;
    const std::vector<std::int32_t> indices{0, 0};
    const std::vector<Index> positive{2}, known{10};
    const LabelView view{10, 1, indptr.data(), indices.data(), nullptr, Background::negative};
    const auto found = quality::largest_excursions(view, positive.data(), known.data(), {1});
    CHECK(found.lowest[0] == 8 && found.low[0] == -16);
    CHECK(found.highest[0] == 0 && found.high[0] == 0);
}
