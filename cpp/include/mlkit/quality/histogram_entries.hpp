#pragma once
// The histograms of label_histogram.hpp as a list of what is not empty, for data that arrive in parts: lists of parts
// are merged by adding the counts of equal keys, and give the very numbers that all the data at once would.

#include <vector>

#include "mlkit/quality/label_histogram.hpp"

namespace mlkit::quality {

/// Counts by key, ascending. A key is (2 * label + given) * LogitBins::size + bin.
struct HistogramEntries {
    std::vector<Index> keys, counts;
};

inline HistogramEntries histogram_entries(const Cells& cells, const Index* n_negative, const Team& team) {
    const auto n_labels = static_cast<std::size_t>(cells.labels.n_labels);
    std::vector<HistogramEntries> by_label(n_labels);
    for_each_label_histogram(cells, n_negative, team, [&](Index label, const LabelHistogram& histogram) {
        HistogramEntries& entries = by_label[static_cast<std::size_t>(label)];
        for (const int given : {0, 1}) {
            const Index* counts = given ? histogram.positive : histogram.negative;
            for (const std::int32_t b : histogram.used) {
                if (counts[b] == 0) continue;
                entries.keys.push_back((2 * label + given) * LogitBins::size + b);
                entries.counts.push_back(counts[b]);
            }
        }
    });
    std::size_t size = 0;
    for (const HistogramEntries& entries : by_label) size += entries.keys.size();
    HistogramEntries all;
    all.keys.reserve(size);
    all.counts.reserve(size);
    for (HistogramEntries& entries : by_label) {
        all.keys.insert(all.keys.end(), entries.keys.begin(), entries.keys.end());
        all.counts.insert(all.counts.end(), entries.counts.begin(), entries.counts.end());
        entries = HistogramEntries();
    }
    return all;
}

/// Somebody's list: `size` keys and their counts.
struct EntriesView {
    const Index* keys;
    const Index* counts;
    Index size;
};

/// The entries of two lists as one.
inline HistogramEntries merged(const EntriesView& a, const EntriesView& b) {
    Index size = 0;
    const auto walk = [&](auto&& visit) {
        for (Index i = 0, j = 0; i < a.size || j < b.size;) {
            const bool from_a = j == b.size || (i < a.size && a.keys[i] <= b.keys[j]);
            const bool from_b = i == a.size || (j < b.size && b.keys[j] <= a.keys[i]);
            visit(from_a ? a.keys[i] : b.keys[j], (from_a ? a.counts[i] : 0) + (from_b ? b.counts[j] : 0));
            i += from_a;
            j += from_b;
        }
    };
    walk([&](Index, Index) { ++size; });
    HistogramEntries all;
    all.keys.reserve(static_cast<std::size_t>(size));
    all.counts.reserve(static_cast<std::size_t>(size));
    walk([&](Index key, Index count) {
        all.keys.push_back(key);
        all.counts.push_back(count);
    });
    return all;
}

/// visit(label, histogram) once for each label, from any thread of the team.
template <class Visit>
void for_each_listed_histogram(const EntriesView& entries, Index n_labels, const Team& whole_team, Visit&& visit) {
    const Team team = whole_team.for_work(8 * entries.size);
    const Index* const end_of_keys = entries.keys + entries.size;
    for_each_range(n_labels, 64, team, [&](Index first, Index last, int) {
        std::vector<Index> positive(LogitBins::size, 0), negative(LogitBins::size, 0);
        std::vector<std::int32_t> used;
        const Index* key = std::lower_bound(entries.keys, end_of_keys, 2 * first * LogitBins::size);
        for (Index label = first; label < last; ++label) {
            used.clear();
            const Index end = 2 * (label + 1) * LogitBins::size;
            for (; key != end_of_keys && *key < end; ++key) {
                const auto b = static_cast<std::int32_t>(*key % LogitBins::size);
                const bool given = *key / LogitBins::size % 2;
                (given ? positive : negative)[static_cast<std::size_t>(b)] = entries.counts[key - entries.keys];
                used.push_back(b);
            }
            std::sort(used.begin(), used.end());
            used.erase(std::unique(used.begin(), used.end()), used.end());
            visit(label, LabelHistogram{positive.data(), negative.data(), used});
            for (const std::int32_t b : used)
                positive[static_cast<std::size_t>(b)] = negative[static_cast<std::size_t>(b)] = 0;
        }
    });
}

}  // namespace mlkit::quality
