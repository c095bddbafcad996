// Labels and rows of plain arrays are counted as by a loop over their cells, whatever their width; sums of ratios, too.

#include <cmath>
#include <random>

#include "check.hpp"
#include "mlkit/metrics/plain_rows.hpp"
#include "mlkit/metrics/row_ratios.hpp"

using namespace mlkit;
using namespace mlkit::metrics;

namespace {

using Bytes = std::vector<std::uint8_t>;

PlainRows rows_of(const Bytes& cells, Index n_labels) {
    return {reinterpret_cast<const std::byte*>(cells.data()), n_labels, true,
            &metrics::detail::write_marks<std::uint8_t>};
}

void check_counts(Index n_rows, Index n_labels, const Team& team) {
    std::mt19937_64 random(static_cast<std::uint64_t>(n_labels));
    Bytes truth(static_cast<std::size_t>(n_rows * n_labels)), predicted(truth.size());
    for (Bytes* cells : {&truth, &predicted})
        for (std::uint8_t& cell : *cells) cell = random() % 3 == 0;
    LabelCounts<Index> labels(n_labels), expected(n_labels);
    std::vector<RowCounts> rows(static_cast<std::size_t>(n_rows)), expected_rows(rows.size());
    for (Index i = 0; i < n_rows; ++i) {
        expected_rows[static_cast<std::size_t>(i)].known = static_cast<std::int32_t>(n_labels);
        for (Index j = 0; j < n_labels; ++j) {
            const auto at = static_cast<std::size_t>(i * n_labels + j), label = static_cast<std::size_t>(j);
            RowCounts& row = expected_rows[static_cast<std::size_t>(i)];
            row.hits += truth[at] & predicted[at];
            row.predicted += predicted[at];
            row.positive += truth[at];
            expected.hits[label] += truth[at] & predicted[at];
            expected.predicted[label] += predicted[at];
            expected.positive[label] += truth[at];
        }
    }
    const PlainRows y = rows_of(truth, n_labels), p = rows_of(predicted, n_labels);
    CHECK(count_plain_labels(y, p, n_rows, labels, team));
    CHECK(labels.hits == expected.hits);
    CHECK(labels.predicted == expected.predicted);
    CHECK(labels.positive == expected.positive);
    CHECK(labels.known == std::vector<Index>(labels.known.size(), n_rows));
    const auto keep = [&](int, Index first, const RowCounts* counts, Index n) {
        std::copy(counts, counts + n, rows.begin() + first);
    };
    CHECK(count_plain_rows(y, p, n_rows, n_labels, team, keep));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CHECK_EQUAL(rows[i].hits, expected_rows[i].hits);
        CHECK_EQUAL(rows[i].predicted, expected_rows[i].predicted);
        CHECK_EQUAL(rows[i].positive, expected_rows[i].positive);
        CHECK_EQUAL(rows[i].known, expected_rows[i].known);
    }
    for (const std::size_t at : {std::size_t{0}, truth.size() / 2, truth.size() - 1}) {
        Bytes odd = predicted;
        odd[at] = static_cast<std::uint8_t>(2u << (at % 7));
        CHECK(!count_plain_labels(y, rows_of(odd, n_labels), n_rows, labels, team));
        CHECK(!count_plain_rows(y, rows_of(odd, n_labels), n_rows, n_labels, team, keep));
    }
}

}  // namespace

TEST(labels_and_rows_of_every_width) {
    for (const Index n_labels : {1, 2, 7, 8, 28, 63, 64, 65, 100, 127, 1000, 1025, 40000})
        for (const Index n_rows : {1, 3, 300}) check_counts(n_rows, n_labels, Team{2, {}});
    check_counts(40000, 5, Team{1, {}});
}

TEST(ratios_are_added_up_in_whole_units) {
    std::vector<RowCounts> rows;
    const RowRatio f1{{2, 0, 0, 0}, {0, 1, 1, 0}};
    double sum = 0.0;
    for (std::int32_t i = 0; i < 9001; ++i) {
        rows.push_back({i % 3, i % 3 + i % 5, i % 3 + i % 2, i % 7});
        if (const std::int32_t size = rows.back().predicted + rows.back().positive; size > 0)
            sum += 2.0 * rows.back().hits / size;
    }
    RatioSums all, parts;
    add_ratios(rows.data(), static_cast<Index>(rows.size()), f1, all);
    for (Index i = 0; i < static_cast<Index>(rows.size()); i += 11)
        add_ratios(rows.data() + i, std::min<Index>(11, static_cast<Index>(rows.size()) - i), f1, parts);
    CHECK_EQUAL(in_units(all.units), in_units(parts.units));
    CHECK(std::abs(in_units(all.units) * 0x1p-50 - sum) < 1e-9);
    Index n_known = 0, n_undefined = 0, n_exact = 0;
    for (const RowCounts& row : rows) {
        if (row.known == 0) continue;
        ++n_known;
        n_undefined += row.predicted + row.positive == 0;
        n_exact += row.hits == row.predicted && row.hits == row.positive;
    }
    CHECK_EQUAL(all.n_known, n_known);
    CHECK_EQUAL(all.n_undefined, n_undefined);
    CHECK_EQUAL(all.n_exact, n_exact);
}
