// Lists of parts, merged, are the list of the whole, and give each label's histogram back.

#include <random>
#include <vector>

#include "check.hpp"
#include "mlkit/quality/histogram_entries.hpp"

using namespace mlkit;
using namespace mlkit::quality;

namespace {

constexpr Index n_rows = 500, n_labels = 70;  // more labels than are counted side by side

struct Problem {
    std::vector<Index> indptr{0};
    std::vector<std::int32_t> labels;
    std::vector<double> p;

    Problem() {
        std::mt19937_64 random(2);
        for (Index i = 0; i < n_rows; ++i) {
            for (Index j = 0; j < n_labels; ++j) {
                p.push_back(static_cast<double>(random() % 97) / 96);
                if (random() % 9 == 0) labels.push_back(static_cast<std::int32_t>(j));
            }
            indptr.push_back(static_cast<Index>(labels.size()));
        }
    }
    Cells cells(Index begin, Index end) const {
        return {{end - begin, n_labels, indptr.data() + begin, labels.data(), nullptr, Background::negative},
                DenseScores{end - begin, n_labels, reinterpret_cast<const std::byte*>(p.data() + begin * n_labels),
                            8 * n_labels, 8, Real::float64, false}};
    }
};

HistogramEntries entries_of(const Cells& cells) {
    const std::vector<Index> n_negative(n_labels, 0);  // dense scores: every negative is seen
    return histogram_entries(cells, n_negative.data(), {});
}

EntriesView view(const HistogramEntries& entries) {
    return {entries.keys.data(), entries.counts.data(), static_cast<Index>(entries.keys.size())};
}

}  // namespace

TEST(entries_of_parts_add_up_to_those_of_the_whole) {
    const Problem problem;
    const HistogramEntries whole = entries_of(problem.cells(0, n_rows));
    for (std::size_t k = 1; k < whole.keys.size(); ++k) CHECK(whole.keys[k - 1] < whole.keys[k]);
    HistogramEntries parts;
    for (Index begin = 0; begin < n_rows; begin += 125)
        parts = merged(view(parts), view(entries_of(problem.cells(begin, begin + 125))));
    CHECK(parts.keys == whole.keys);
    CHECK(parts.counts == whole.counts);
    CHECK(merged(view(whole), view(HistogramEntries())).counts == whole.counts);
    CHECK(merged(view(HistogramEntries()), view(whole)).keys == whole.keys);
}

TEST(the_list_gives_each_histogram_back) {
    const Problem problem;
    const Cells cells = problem.cells(0, n_rows);
    const HistogramEntries entries = entries_of(cells);
    std::vector<std::vector<Index>> expected(n_labels);
    const auto flat = [](const LabelHistogram& histogram) {
        std::vector<Index> all;
        for (const std::int32_t b : histogram.used)
            all.insert(all.end(), {b, histogram.positive[b], histogram.negative[b]});
        return all;
    };
    const std::vector<Index> n_negative(n_labels, 0);
    for_each_label_histogram(cells, n_negative.data(), {}, [&](Index label, const LabelHistogram& histogram) {
        expected[static_cast<std::size_t>(label)] = flat(histogram);
    });
    for (const int n_threads : {1, 3}) {
        std::vector<std::vector<Index>> seen(n_labels);
        for_each_listed_histogram(view(entries), n_labels, {n_threads, {}},
                                  [&](Index label, const LabelHistogram& histogram) {
                                      seen[static_cast<std::size_t>(label)] = flat(histogram);
                                  });
        CHECK(seen == expected);
    }
}

TEST(labels_without_an_entry_have_an_empty_histogram) {
    const std::vector<Index> keys{2 * LogitBins::size + 7}, counts{3};  // label 1, given 0
    Index n_visits = 0;
    for_each_listed_histogram({keys.data(), counts.data(), 1}, 3, {},
                              [&](Index label, const LabelHistogram& histogram) {
                                  ++n_visits;
                                  CHECK_EQUAL(histogram.used.size(), label == 1 ? 1u : 0u);
                                  if (label == 1) CHECK_EQUAL(histogram.negative[7], Index{3});
                              });
    CHECK_EQUAL(n_visits, Index{3});
}
