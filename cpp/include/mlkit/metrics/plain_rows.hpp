#pragma once
// Counts of dense truth and prediction as they come, in one pass and without copies, as long as they hold zeros and
// ones alone. Whoever finds anything else says so, and leaves it to those who can tell what it is. Short rows are not
// looped over: labels are counted in several rows glued to one, rows in a stream of bits.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/simd.hpp"
#include "mlkit/metrics/sets.hpp"

namespace mlkit::metrics {

namespace detail {

/// Writes a row of any type as bytes of 0 and 1, and 2 for what is neither.
template <class Value>
void write_marks(const std::byte* row, Index n, std::uint8_t* to) {
    if constexpr (sizeof(Value) == 1) {
        std::memcpy(to, row, static_cast<std::size_t>(n));
    } else {
        for (Index j = 0; j < n; ++j) {
            Value value;
            std::memcpy(&value, row + j * static_cast<Index>(sizeof value), sizeof value);
            to[j] = static_cast<std::uint8_t>(value == Value{1} ? 1 : value == Value{0} ? 0 : 2);
        }
    }
}

}  // namespace detail

/// A dense array whose rows are contiguous, and how to read one of them.
struct PlainRows {
    const std::byte* data;
    std::ptrdiff_t row_stride;
    bool is_bytes;
    decltype(&detail::write_marks<std::uint8_t>) write_marks;
};

namespace detail {

/// One thread's view of some rows as bytes that lie end to end: in place where they do.
class MarkTile {
  public:
    const std::uint8_t* load(const PlainRows& rows, Index begin, Index end, Index n_labels) {
        const std::byte* from = rows.data + begin * rows.row_stride;
        if (rows.is_bytes && (rows.row_stride == n_labels || end - begin == 1))
            return reinterpret_cast<const std::uint8_t*>(from);
        tile_.resize(static_cast<std::size_t>((end - begin) * n_labels));
        for (std::uint8_t* to = tile_.data(); begin < end; ++begin, from += rows.row_stride, to += n_labels)
            rows.write_marks(from, n_labels, to);
        return tile_.data();
    }

  private:
    std::vector<std::uint8_t> tile_;
};

/// Adds hits, predicted and positive cells to three runs of `stride` sums, bytes that have room for 255 of them;
/// returns all bits that were seen.
MLKIT_CLONES [[maybe_unused]] static std::uint8_t add_marks(const std::uint8_t* truth, const std::uint8_t* predicted,
                                                            Index n, Index stride, std::uint8_t* __restrict sums) {
    std::uint8_t* __restrict hits = sums;
    std::uint8_t* __restrict of_predicted = sums + stride;
    std::uint8_t* __restrict of_truth = sums + 2 * stride;
    std::uint8_t seen = 0;
    for (Index j = 0; j < n; ++j) {
        const std::uint8_t y = truth[j], p = predicted[j];
        hits[j] = static_cast<std::uint8_t>(hits[j] + (y & p));
        of_predicted[j] = static_cast<std::uint8_t>(of_predicted[j] + p);
        of_truth[j] = static_cast<std::uint8_t>(of_truth[j] + y);
        seen = static_cast<std::uint8_t>(seen | y | p);
    }
    return seen;
}

/// Eight bytes, the first of them lowest.
MLKIT_INLINE std::uint64_t load_eight(const std::uint8_t* bytes) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}
/// Their lowest bits.
MLKIT_INLINE std::uint8_t pack_eight(std::uint64_t eight) {
    eight |= eight >> 7;  // pairs of bits, then fours, then eight
    eight |= eight >> 14;
    eight |= eight >> 28;
    return static_cast<std::uint8_t>(eight);
}

/// Bytes 8k, ..., 8k + 7 of both become a byte of bits, the first of them lowest; returns all bits that were seen. Side
/// by side: the memory is kept busy.
MLKIT_CLONES [[maybe_unused]] static std::uint64_t pack_words(const std::uint8_t* truth, const std::uint8_t* predicted,
                                                              Index n_words, std::uint8_t* __restrict truth_bits,
                                                              std::uint8_t* __restrict predicted_bits) {
    std::uint64_t seen = 0;
    for (Index k = 0; k < n_words; ++k) {
        const std::uint64_t y = load_eight(truth + 8 * k), p = load_eight(predicted + 8 * k);
        seen |= y | p;
        truth_bits[k] = pack_eight(y);
        predicted_bits[k] = pack_eight(p);
    }
    return seen;
}

/// The same for n bytes; returns whether all are 0 or 1. The bits have room for n / 8 + 8 bytes.
inline bool pack_marks(const std::uint8_t* truth, const std::uint8_t* predicted, Index n, std::uint8_t* truth_bits,
                       std::uint8_t* predicted_bits) {
    const Index n_words = n / 8;
    std::uint64_t seen = pack_words(truth, predicted, n_words, truth_bits, predicted_bits);
    std::uint8_t rest[2][8] = {};
    std::copy(truth + 8 * n_words, truth + n, rest[0]);
    std::copy(predicted + 8 * n_words, predicted + n, rest[1]);
    seen |= pack_words(rest[0], rest[1], 1, truth_bits + n_words, predicted_bits + n_words);
    return (seen & ~std::uint64_t{0x0101010101010101u}) == 0;
}

MLKIT_INLINE std::int32_t count_ones(std::uint64_t bits) {
#if defined(__GNUC__)
    return __builtin_popcountll(bits);
#else
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return static_cast<std::int32_t>(bits * 0x0101010101010101u >> 56);
#endif
}

/// Counts of rows whose cells are bits that lie end to end. Words are read as a whole: bits beyond the last do no harm.
MLKIT_CLONES [[maybe_unused]] static void count_rows(const std::uint8_t* truth, const std::uint8_t* predicted,
                                                     Index n_labels, Index n_rows, RowCounts* rows) {
    constexpr std::uint64_t all = ~std::uint64_t{0};
    for (Index i = 0; i < n_rows; ++i) {
        const Index begin = i * n_labels, end = begin + n_labels, last = (end - 1) / 64;
        RowCounts counts{0, 0, 0, static_cast<std::int32_t>(n_labels)};
        const auto add = [&](Index word, std::uint64_t wanted) {
            const std::uint64_t y = load_eight(truth + 8 * word) & wanted;
            const std::uint64_t p = load_eight(predicted + 8 * word) & wanted;
            counts.hits += count_ones(y & p);
            counts.predicted += count_ones(p);
            counts.positive += count_ones(y);
        };
        std::uint64_t wanted = all << begin % 64;
        for (Index word = begin / 64; word < last; ++word, wanted = all) add(word, wanted);
        add(last, wanted & all >> (63 - (end - 1) % 64));
        rows[i] = counts;
    }
}

}  // namespace detail

/// Counts of labels, all cells known; false: something is neither 0 nor 1.
inline bool count_plain_labels(const PlainRows& truth, const PlainRows& predicted, Index n_rows,
                               LabelCounts<Index>& labels, const Team& whole_team) {
    const auto n_labels = static_cast<Index>(labels.hits.size());
    const Team team = whole_team.for_work(n_rows * n_labels / 8);
    const Index glued = (1023 + n_labels) / n_labels, width = glued * n_labels;
    struct Mine {
        LabelCounts<Index> labels;
        detail::MarkTile truth, predicted;
        std::vector<std::uint8_t> sums;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads),
                           Mine{LabelCounts<Index>(n_labels), {}, {}, std::vector<std::uint8_t>()});
    std::atomic<bool> is_plain{true};
    for_each_range(n_rows, 127 * glued, team, [&](Index begin, Index end, int thread) {
        if (!is_plain) return;
        Mine& m = mine[static_cast<std::size_t>(thread)];
        m.sums.assign(static_cast<std::size_t>(3 * width), 0);
        std::uint8_t seen = 0;
        for (Index i = begin; i < end; i += glued) {
            const Index last = std::min(end, i + glued);
            const std::uint8_t* y = m.truth.load(truth, i, last, n_labels);
            const std::uint8_t* p = m.predicted.load(predicted, i, last, n_labels);
            seen =
                static_cast<std::uint8_t>(seen | detail::add_marks(y, p, (last - i) * n_labels, width, m.sums.data()));
        }
        if (seen > 1) is_plain = false;
        const std::uint8_t* sum = m.sums.data();
        for (auto* of_labels : {&m.labels.hits, &m.labels.predicted, &m.labels.positive})
            for (Index g = 0; g < glued; ++g)
                for (Index& of_label : *of_labels) of_label += *sum++;
    });
    for (const Mine& m : mine) labels.merge(m.labels);
    std::fill(labels.known.begin(), labels.known.end(), n_rows);
    return is_plain;
}

/// Calls take(thread, first_row, counts, n) for blocks of rows, all cells known; false as above.
template <class Take>
bool count_plain_rows(const PlainRows& truth, const PlainRows& predicted, Index n_rows, Index n_labels,
                      const Team& whole_team, Take&& take) {
    const Team team = whole_team.for_work(n_rows * n_labels / 8);
    const Index step = std::max<Index>(1, (Index{1} << 15) / n_labels);
    struct Mine {
        detail::MarkTile truth, predicted;
        std::vector<std::uint8_t> truth_bits, predicted_bits;
        std::vector<RowCounts> rows;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads));
    std::atomic<bool> is_plain{true};
    for_each_range(n_rows, step, team, [&](Index begin, Index end, int thread) {
        if (!is_plain) return;
        Mine& m = mine[static_cast<std::size_t>(thread)];
        if (m.rows.empty()) {
            m.truth_bits.resize(static_cast<std::size_t>(step * n_labels / 8 + 8));
            m.predicted_bits.resize(m.truth_bits.size());
            m.rows.resize(static_cast<std::size_t>(step));
        }
        const Index n = end - begin;
        const std::uint8_t* y = m.truth.load(truth, begin, end, n_labels);
        const std::uint8_t* p = m.predicted.load(predicted, begin, end, n_labels);
        if (!detail::pack_marks(y, p, n * n_labels, m.truth_bits.data(), m.predicted_bits.data())) {
            is_plain = false;
            return;
        }
        detail::count_rows(m.truth_bits.data(), m.predicted_bits.data(), n_labels, n, m.rows.data());
        take(thread, begin, m.rows.data(), n);
    });
    return is_plain;
}

}  // namespace mlkit::metrics
