#pragma once
// Counts of truth and prediction as they come, in one pass and without copies, as long as they are plain: zeros and
// ones, sparse rows ascending. Whoever finds anything else says so, and leaves it to those who can tell what it is.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/simd.hpp"
#include "mlkit/metrics/sets.hpp"

namespace mlkit::metrics {

namespace detail {

/// A row as bytes of 0 and 1: in place where it is stored so. `odd` gets a bit above the lowest where a cell is
/// neither.
template <class Value>
const std::uint8_t* as_marks(const std::byte* row, Index n, std::uint8_t* scratch, std::uint8_t& odd) {
    std::uint8_t found = 0;
    if constexpr (sizeof(Value) == 1) {
        const auto* marks = reinterpret_cast<const std::uint8_t*>(row);
        for (Index j = 0; j < n; ++j) found = static_cast<std::uint8_t>(found | marks[j]);
        odd = static_cast<std::uint8_t>(odd | found);
        return marks;
    } else {
        for (Index j = 0; j < n; ++j) {
            Value value;
            std::memcpy(&value, row + j * static_cast<Index>(sizeof value), sizeof value);
            const bool is_one = value == Value{1};
            scratch[j] = is_one;
            found = static_cast<std::uint8_t>(found | (is_one | (value == Value{0}) ? 0 : 2));
        }
        odd = static_cast<std::uint8_t>(odd | found);
        return scratch;
    }
}

/// Sum of bytes that are 0 or 1.
inline std::int32_t sum_marks(const std::uint8_t* marks, Index n) {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    std::int32_t sum = 0;
    Index j = 0;
    for (; j + 8 <= n; j += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, marks + j, 8);
        sum += static_cast<std::int32_t>((eight * ones) >> 56);
    }
    for (; j < n; ++j) sum += marks[j];
    return sum;
}

/// hits[j] = truth[j] & predicted[j]; the bytes of the sums have room for 255 rows.
MLKIT_CLONES [[maybe_unused]] static void add_marks(const std::uint8_t* truth, const std::uint8_t* predicted, Index n,
                                                    std::uint8_t* __restrict hits, std::uint8_t* __restrict sums) {
    for (Index j = 0; j < n; ++j) {
        const auto both = static_cast<std::uint8_t>(truth[j] & predicted[j]);
        hits[j] = both;
        sums[j] = static_cast<std::uint8_t>(sums[j] + both);
        sums[n + j] = static_cast<std::uint8_t>(sums[n + j] + predicted[j]);
        sums[2 * n + j] = static_cast<std::uint8_t>(sums[2 * n + j] + truth[j]);
    }
}

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

/// A dense array whose rows are contiguous, and how to read one of them.
struct PlainRows {
    const std::byte* data;
    std::ptrdiff_t row_stride;
    decltype(&detail::as_marks<std::uint8_t>) marks;
};

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

}  // namespace detail

/// Counts of labels (all cells known), and of rows where `rows` is not null; false: something is neither 0 nor 1.
inline bool count_plain(const PlainRows& truth, const PlainRows& predicted, Index n_rows, LabelCounts<Index>& labels,
                        RowCounts* rows, const Team& whole_team) {
    const auto n_labels = static_cast<Index>(labels.hits.size());
    const Team team = whole_team.for_work(n_rows * n_labels / 8);
    const auto width = static_cast<std::size_t>(n_labels);
    struct Mine {
        LabelCounts<Index> labels;
        std::vector<std::uint8_t> truth, predicted, hits, sums;
    };
    const std::vector<std::uint8_t> row(width);
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads),
                           Mine{LabelCounts<Index>(n_labels), row, row, row, std::vector<std::uint8_t>(3 * width)});
    std::atomic<bool> is_plain{true};
    for_each_range(n_rows, 255, team, [&](Index begin, Index end, int thread) {
        if (!is_plain) return;
        Mine& m = mine[static_cast<std::size_t>(thread)];
        std::fill(m.sums.begin(), m.sums.end(), std::uint8_t{0});
        std::uint8_t odd = 0;
        for (Index i = begin; i < end; ++i) {
            const std::uint8_t* y = truth.marks(truth.data + i * truth.row_stride, n_labels, m.truth.data(), odd);
            const std::uint8_t* p =
                predicted.marks(predicted.data + i * predicted.row_stride, n_labels, m.predicted.data(), odd);
            detail::add_marks(y, p, n_labels, m.hits.data(), m.sums.data());
            if (rows)
                rows[i] = {detail::sum_marks(m.hits.data(), n_labels), detail::sum_marks(p, n_labels),
                           detail::sum_marks(y, n_labels), static_cast<std::int32_t>(n_labels)};
        }
        if (odd > 1) is_plain = false;
        for (std::size_t j = 0; j < width; ++j) {
            m.labels.hits[j] += m.sums[j];
            m.labels.predicted[j] += m.sums[width + j];
            m.labels.positive[j] += m.sums[2 * width + j];
        }
    });
    for (const Mine& m : mine) labels.merge(m.labels);
    std::fill(labels.known.begin(), labels.known.end(), n_rows);
    return is_plain;
}

/// The same for compressed rows. Counts of a single label are those of all together.
template <class ColumnIndex>
bool count_plain(const PlainCsr<ColumnIndex>& truth, const PlainCsr<ColumnIndex>& predicted, Index n_rows,
                 Index n_labels, LabelCounts<Index>& labels, RowCounts* rows, const Team& whole_team) {
    const Team team = whole_team.for_work(4 * (truth.n_stored + predicted.n_stored));
    const bool by_label = static_cast<Index>(labels.hits.size()) == n_labels;
    struct Mine {
        std::vector<std::int32_t> hits, predicted, positive;
        Index n_hits = 0, n_predicted = 0, n_positive = 0;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads));
    std::atomic<bool> all_plain{true};
    for_each_range(n_rows, 1024, team, [&](Index begin, Index end, int thread) {
        if (!all_plain) return;
        if (!detail::is_plain(truth, begin, end, n_labels) || !detail::is_plain(predicted, begin, end, n_labels)) {
            all_plain = false;
            return;
        }
        Mine& m = mine[static_cast<std::size_t>(thread)];
        if (by_label && m.hits.empty())
            m.hits = m.predicted = m.positive = std::vector<std::int32_t>(labels.hits.size());
        for (Index i = begin; i < end; ++i) {
            auto t = static_cast<Index>(truth.indptr[i]), p = static_cast<Index>(predicted.indptr[i]);
            const auto t_end = static_cast<Index>(truth.indptr[i + 1]);
            const auto p_end = static_cast<Index>(predicted.indptr[i + 1]);
            RowCounts counts{0, static_cast<std::int32_t>(p_end - p), static_cast<std::int32_t>(t_end - t),
                             static_cast<std::int32_t>(n_labels)};
            if (by_label) {
                for (Index k = t; k < t_end; ++k) ++m.positive[static_cast<std::size_t>(truth.indices[k])];
                for (Index k = p; k < p_end; ++k) ++m.predicted[static_cast<std::size_t>(predicted.indices[k])];
            }
            while (t < t_end && p < p_end) {
                const ColumnIndex a = truth.indices[t], b = predicted.indices[p];
                counts.hits += a == b;
                if (by_label) m.hits[static_cast<std::size_t>(a)] += a == b;
                t += a <= b;
                p += b <= a;
            }
            m.n_hits += counts.hits;
            m.n_predicted += counts.predicted;
            m.n_positive += counts.positive;
            if (rows) rows[i] = counts;
        }
    });
    for (const Mine& m : mine) {
        if (!by_label) {
            labels.hits[0] += m.n_hits;
            labels.predicted[0] += m.n_predicted;
            labels.positive[0] += m.n_positive;
        }
        for (std::size_t j = 0; j < m.hits.size(); ++j) {
            labels.hits[j] += m.hits[j];
            labels.predicted[j] += m.predicted[j];
            labels.positive[j] += m.positive[j];
        }
    }
    std::fill(labels.known.begin(), labels.known.end(), by_label ? n_rows : n_rows * n_labels);
    return all_plain;
}

}  // namespace mlkit::metrics
