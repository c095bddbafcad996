#pragma once
// The same of compressed rows as SciPy has them: counted as they come as long as they ascend and hold ones alone.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/metrics/sets.hpp"

namespace mlkit::metrics {

namespace detail {

/// Whether all n values are 1.
template <class Value>
bool all_one(const std::byte* data, Index n) {
    bool is_odd = false;
    for (Index k = 0; k < n; ++k) {
        Value value;
        std::memcpy(&value, data + k * static_cast<Index>(sizeof value), sizeof value);
        is_odd |= value != Value{1};
    }
    return !is_odd;
}

}  // namespace detail

/// Compressed rows as SciPy has them, and how to judge their values.
template <class ColumnIndex>
struct PlainCsr {
    const ColumnIndex* indptr;
    const ColumnIndex* indices;
    Index n_stored;
    const std::byte* data;
    Index value_size;
    decltype(&detail::all_one<double>) all_one;
};

namespace detail {

/// Whether rows begin, ..., end lie within the matrix, ascend strictly and hold ones.
template <class ColumnIndex>
bool is_plain(const PlainCsr<ColumnIndex>& m, Index begin, Index end, Index n_labels) {
    bool is_odd = m.indptr[0] != 0;
    for (Index i = begin; i < end; ++i) {
        const auto from = static_cast<Index>(m.indptr[i]), to = static_cast<Index>(m.indptr[i + 1]);
        if (from < 0 || to < from || to > m.n_stored) return false;
        if (from == to) continue;
        for (Index k = from + 1; k < to; ++k) is_odd |= m.indices[k] <= m.indices[k - 1];
        is_odd |= m.indices[from] < 0 || static_cast<Index>(m.indices[to - 1]) >= n_labels;
    }
    const auto first = static_cast<Index>(m.indptr[begin]);
    return !is_odd && m.all_one(m.data + first * m.value_size, static_cast<Index>(m.indptr[end]) - first);
}

/// Calls body(thread, begin, end) for blocks of rows that are plain; false: some are not.
template <class ColumnIndex, class Body>
bool for_each_plain_block(const PlainCsr<ColumnIndex>& truth, const PlainCsr<ColumnIndex>& predicted, Index n_rows,
                          Index n_labels, const Team& team, Body&& body) {
    std::atomic<bool> all_plain{true};
    for_each_range(n_rows, 1024, team, [&](Index begin, Index end, int thread) {
        if (!all_plain) return;
        if (is_plain(truth, begin, end, n_labels) && is_plain(predicted, begin, end, n_labels))
            body(thread, begin, end);
        else
            all_plain = false;
    });
    return all_plain;
}

/// Calls visit(label, is_both) for the labels of row i, ascending, until one of the two has no more.
template <class ColumnIndex, class Visit>
void merge_plain(const PlainCsr<ColumnIndex>& truth, const PlainCsr<ColumnIndex>& predicted, Index i, Visit&& visit) {
    const ColumnIndex *t = truth.indices + truth.indptr[i], *t_end = truth.indices + truth.indptr[i + 1];
    const ColumnIndex *p = predicted.indices + predicted.indptr[i],
                      *p_end = predicted.indices + predicted.indptr[i + 1];
    while (t < t_end && p < p_end) {
        const ColumnIndex a = *t, b = *p;
        visit(a, a == b);
        t += a <= b;
        p += b <= a;
    }
}

}  // namespace detail

/// Counts of labels, all cells known; those of a single label are those of all together. False: something is not plain.
template <class ColumnIndex>
bool count_plain_labels(const PlainCsr<ColumnIndex>& truth, const PlainCsr<ColumnIndex>& predicted, Index n_rows,
                        Index n_labels, LabelCounts<Index>& labels, const Team& whole_team) {
    const Team team = whole_team.for_work(4 * (truth.n_stored + predicted.n_stored));
    const bool by_label = static_cast<Index>(labels.hits.size()) == n_labels;
    struct Mine {
        std::vector<std::int32_t> hits, predicted, positive;
        Index n_hits = 0;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads));
    const bool is_plain =
        detail::for_each_plain_block(truth, predicted, n_rows, n_labels, team, [&](int thread, Index begin, Index end) {
            Mine& m = mine[static_cast<std::size_t>(thread)];
            if (!by_label) {
                Index n_hits = 0;
                for (Index i = begin; i < end; ++i)
                    detail::merge_plain(truth, predicted, i, [&](ColumnIndex, bool is_both) { n_hits += is_both; });
                m.n_hits += n_hits;
                return;
            }
            if (m.hits.empty()) m.hits = m.predicted = m.positive = std::vector<std::int32_t>(labels.hits.size());
            const auto add = [&](const PlainCsr<ColumnIndex>& from, std::vector<std::int32_t>& to) {
                for (auto k = static_cast<Index>(from.indptr[begin]); k < static_cast<Index>(from.indptr[end]); ++k)
                    ++to[static_cast<std::size_t>(from.indices[k])];
            };
            add(truth, m.positive);
            add(predicted, m.predicted);
            std::int32_t* hits = m.hits.data();
            for (Index i = begin; i < end; ++i)
                detail::merge_plain(truth, predicted, i,
                                    [hits](ColumnIndex label, bool is_both) { hits[label] += is_both; });
        });
    for (const Mine& m : mine) {
        if (!by_label) labels.hits[0] += m.n_hits;
        for (std::size_t j = 0; j < m.hits.size(); ++j) {
            labels.hits[j] += m.hits[j];
            labels.predicted[j] += m.predicted[j];
            labels.positive[j] += m.positive[j];
        }
    }
    if (!by_label) {
        labels.predicted[0] = static_cast<Index>(predicted.indptr[n_rows]);
        labels.positive[0] = static_cast<Index>(truth.indptr[n_rows]);
    }
    std::fill(labels.known.begin(), labels.known.end(), by_label ? n_rows : n_rows * n_labels);
    return is_plain;
}

/// Calls take(thread, first_row, counts, n) for blocks of rows, all cells known; false as above.
template <class ColumnIndex, class Take>
bool count_plain_rows(const PlainCsr<ColumnIndex>& truth, const PlainCsr<ColumnIndex>& predicted, Index n_rows,
                      Index n_labels, const Team& whole_team, Take&& take) {
    const Team team = whole_team.for_work(4 * (truth.n_stored + predicted.n_stored));
    std::vector<std::vector<RowCounts>> mine(static_cast<std::size_t>(team.n_threads));
    return detail::for_each_plain_block(
        truth, predicted, n_rows, n_labels, team, [&](int thread, Index begin, Index end) {
            std::vector<RowCounts>& rows = mine[static_cast<std::size_t>(thread)];
            rows.clear();
            for (Index i = begin; i < end; ++i) {
                std::int32_t hits = 0;
                detail::merge_plain(truth, predicted, i, [&](ColumnIndex, bool is_both) { hits += is_both; });
                rows.push_back({hits, static_cast<std::int32_t>(predicted.indptr[i + 1] - predicted.indptr[i]),
                                static_cast<std::int32_t>(truth.indptr[i + 1] - truth.indptr[i]),
                                static_cast<std::int32_t>(n_labels)});
            }
            take(thread, begin, rows.data(), end - begin);
        });
}

}  // namespace mlkit::metrics
