#pragma once
// Dense 0/1 indicators (with -1 or NaN for unknown) to compressed rows, in the memory order of the array.

#include <cstring>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit::labels {

/// The stored cells of an indicator matrix, and what was noticed on the way.
struct StoredCells {
    std::vector<Index> indptr;
    std::vector<std::int32_t> indices;
    std::vector<std::int8_t> values;  ///< empty when every stored cell is a positive
    Index n_positive = 0, n_zero = 0, n_minus_one = 0, n_nan = 0;
    Index bad_row = -1, bad_label = -1;  ///< first value that is none of 0, 1, -1, NaN
};

namespace detail {

template <class Value>
struct Reading {
    static constexpr int bad = 2;
    /// 0, 1, -1 as such; NaN as -2; anything else bad.
    static int read(Value x) {
        if (x == Value(0)) return 0;
        if (x == Value(1)) return 1;
        if constexpr (std::is_floating_point_v<Value>) {
            if (x != x) return -2;
        }
        if constexpr (std::is_signed_v<Value>) {
            if (x == Value(-1)) return -1;
        }
        return bad;
    }
};

struct Part {
    std::vector<Index> row_sizes;
    std::vector<std::int32_t> labels;
    std::vector<std::int8_t> values;
    Index n_zero = 0, n_minus_one = 0, n_nan = 0, bad_row = -1, bad_label = -1;
};

template <class Value>
Value value_at(const std::byte* at) {
    Value x;
    std::memcpy(&x, at, sizeof x);
    return x;
}

}  // namespace detail

/// `unknown_background`: zeros are stored (as 0) and unknown cells are not. One pass; memory in proportion to what is
/// stored.
template <class Value>
StoredCells from_dense(const std::byte* data, Index n_rows, Index n_labels, std::ptrdiff_t row_stride,
                       std::ptrdiff_t label_stride, bool unknown_background, const Team& whole_team) {
    using detail::Part;
    const Team team = whole_team.for_work(n_rows * n_labels);
    const Index block = std::max<Index>(64, (Index{1} << 17) / std::max<Index>(1, n_labels));
    std::vector<Part> parts(static_cast<std::size_t>((n_rows + block - 1) / block));
    const bool row_major = std::abs(label_stride) <= std::abs(row_stride) || n_rows == 1;
    for_each_range(n_rows, block, team, [&](Index begin, Index end, int) {
        Part& part = parts[static_cast<std::size_t>(begin / block)];
        part.row_sizes.assign(static_cast<std::size_t>(end - begin), 0);
        std::vector<std::vector<std::pair<std::int32_t, std::int8_t>>> by_row;  // column-major only
        if (!row_major) by_row.resize(static_cast<std::size_t>(end - begin));
        const auto take = [&](Index i, Index j, Value x) {
            int value = detail::Reading<Value>::read(x);
            if (value == 0) {
                ++part.n_zero;
                if (!unknown_background) return;
            } else if (value == detail::Reading<Value>::bad) {
                if (part.bad_row < 0 || i < part.bad_row || (i == part.bad_row && j < part.bad_label)) {
                    part.bad_row = i;
                    part.bad_label = j;
                }
                return;
            } else if (value < 0) {
                ++(value == -1 ? part.n_minus_one : part.n_nan);
                value = -1;
                if (unknown_background) return;
            }
            ++part.row_sizes[static_cast<std::size_t>(i - begin)];
            if (row_major) {
                part.labels.push_back(static_cast<std::int32_t>(j));
                part.values.push_back(static_cast<std::int8_t>(value));
            } else {
                by_row[static_cast<std::size_t>(i - begin)].emplace_back(static_cast<std::int32_t>(j),
                                                                         static_cast<std::int8_t>(value));
            }
        };
        if (row_major) {
            for (Index i = begin; i < end; ++i) {
                const std::byte* at = data + i * row_stride;
                for (Index j = 0; j < n_labels; ++j, at += label_stride) {
                    const Value x = detail::value_at<Value>(at);
                    if (x == Value(0) && !unknown_background) continue;
                    take(i, j, x);
                }
            }
        } else {
            for (Index j = 0; j < n_labels; ++j) {
                const std::byte* at = data + j * label_stride + begin * row_stride;
                for (Index i = begin; i < end; ++i, at += row_stride) {
                    const Value x = detail::value_at<Value>(at);
                    if (x == Value(0) && !unknown_background) continue;
                    take(i, j, x);
                }
            }
            for (const auto& row : by_row)
                for (const auto& [label, value] : row) {
                    part.labels.push_back(label);
                    part.values.push_back(value);
                }
        }
    });

    StoredCells out;
    out.indptr.assign(static_cast<std::size_t>(n_rows) + 1, 0);
    std::vector<std::size_t> start(parts.size() + 1, 0);
    bool all_positive = true;
    for (std::size_t b = 0; b < parts.size(); ++b) {
        const Part& part = parts[b];
        start[b + 1] = start[b] + part.labels.size();
        out.n_zero += part.n_zero;
        out.n_minus_one += part.n_minus_one;
        out.n_nan += part.n_nan;
        if (part.bad_row >= 0 && out.bad_row < 0) {
            out.bad_row = part.bad_row;
            out.bad_label = part.bad_label;
        }
        for (std::size_t r = 0; r < part.row_sizes.size(); ++r) {
            const std::size_t i = b * static_cast<std::size_t>(block) + r;
            out.indptr[i + 1] = out.indptr[i] + part.row_sizes[r];
        }
        for (const std::int8_t value : part.values) {
            all_positive &= value == 1;
            out.n_positive += value == 1;
        }
    }
    out.indices.resize(start.back());
    if (!all_positive) out.values.resize(start.back());
    for (std::size_t b = 0; b < parts.size(); ++b) {
        std::copy(parts[b].labels.begin(), parts[b].labels.end(), out.indices.begin() + static_cast<std::ptrdiff_t>(start[b]));
        if (!all_positive)
            std::copy(parts[b].values.begin(), parts[b].values.end(), out.values.begin() + static_cast<std::ptrdiff_t>(start[b]));
        Part().labels.swap(parts[b].labels);
    }
    if (!unknown_background)  // zeros were skipped unread
        out.n_zero = n_rows * n_labels - out.n_positive - out.n_minus_one - out.n_nan;
    return out;
}

}  // namespace mlkit::labels
