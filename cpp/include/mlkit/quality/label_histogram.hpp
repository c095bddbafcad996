#pragma once
// Each label's known cells counted by what was given and by the model's probability, in 4,096 logit-spaced bins. Counts
// are integers, so every road to them (dense, sparse, any order, any number of threads) gives the same numbers, and
// what is computed from them has the same bits.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/quality/scores.hpp"

namespace mlkit::quality {

/// Bins of equal width in log2 min(p, 1 - p), to first order: 32 octaves below 1/2, 64 bins each, mirrored above.
struct LogitBins {
    static constexpr int half = 2048;
    static constexpr int size = 2 * half;

    static int bin(double p) {
        const bool upper = p >= 0.5;
        const double x = upper ? 1.0 - p : p;
        std::int64_t b;
        std::memcpy(&b, &x, sizeof b);
        b = (b >> 46) - ((std::int64_t{1022} << 6) - half);  // 1022: the exponent field of 1/2; 6 bits of mantissa
        const int in_half = static_cast<int>(std::min<std::int64_t>(half - 1, std::max<std::int64_t>(0, b)));
        return upper ? size - 1 - in_half : in_half;
    }
    /// A probability that stands for the bin: its middle, but 0 and 1 for the outermost ones.
    static double representative(int bin) {
        const bool upper = bin >= half;
        const int in_half = upper ? size - 1 - bin : bin;
        if (in_half == 0) return upper ? 1.0 : 0.0;
        double edges[2];
        for (int e = 0; e < 2; ++e) {
            const std::int64_t b = (in_half + e + (std::int64_t{1022} << 6) - half) << 46;
            std::memcpy(&edges[e], &b, sizeof b);
        }
        const double x = 0.5 * (edges[0] + edges[1]);
        return upper ? 1.0 - x : x;
    }
};

/// One label's counts by bin, and which bins have any, ascending.
struct LabelHistogram {
    const Index* positive;  ///< (LogitBins::size,)
    const Index* negative;
    const std::vector<std::int32_t>& used;
};

namespace detail {

inline void list_used(const std::vector<Index>& positive, const std::vector<Index>& negative,
                      std::vector<std::int32_t>& used) {
    used.clear();
    for (std::int32_t b = 0; b < LogitBins::size; ++b)
        if (positive[static_cast<std::size_t>(b)] || negative[static_cast<std::size_t>(b)]) used.push_back(b);
}

/// Dense scores, background negative: a few labels at a time over all rows, so that their counts stay in the cache.
template <class Visit>
void dense_histograms(const LabelView& labels, const DenseScores& scores, const Team& team, Visit&& visit) {
    constexpr Index width = 64;
    for_each_range(labels.n_labels, width, team, [&](Index first, Index last, int) {
        const auto n = static_cast<std::size_t>((last - first) * LogitBins::size);
        std::vector<std::uint32_t> positive(n), negative(n);
        DenseScores part = scores;
        part.data += first * scores.label_stride;
        part.n_labels = last - first;
        DenseReader rows(part);
        const Index tile = DenseReader::tile_rows(part.n_labels);
        for (Index begin = 0; begin < labels.n_rows; begin += tile) {
            const Index end = std::min(labels.n_rows, begin + tile);
            rows.load(begin, end);
            for (Index i = begin; i < end; ++i) {
                const double* p = rows.row(i).p;
                for (Index j = 0; j < part.n_labels; ++j)
                    ++negative[static_cast<std::size_t>(j * LogitBins::size + LogitBins::bin(p[j]))];
                const LabelRow given = labels.row(i);
                const std::int32_t* stored_end = given.labels + given.size;
                const std::int32_t* at = std::lower_bound(given.labels, stored_end, static_cast<std::int32_t>(first));
                for (; at < stored_end && *at < last; ++at) {
                    const Index j = *at - first;
                    const auto b = static_cast<std::size_t>(j * LogitBins::size + LogitBins::bin(p[j]));
                    const int value = given.value(at - given.labels);
                    negative[b] -= value != 0;
                    positive[b] += value > 0;
                }
            }
        }
        std::vector<Index> given(LogitBins::size), absent(LogitBins::size);
        std::vector<std::int32_t> used;
        for (Index j = first; j < last; ++j) {
            const Index at = (j - first) * LogitBins::size;
            std::copy_n(positive.begin() + at, LogitBins::size, given.begin());
            std::copy_n(negative.begin() + at, LogitBins::size, absent.begin());
            list_used(given, absent, used);
            visit(j, LabelHistogram{given.data(), absent.data(), used});
        }
    });
}

/// Everything else: the stored cells of each label gathered as (bin, given), the cells stored nowhere as one group of
/// negatives at 0. Memory: 2 bytes a stored cell.
template <class Visit>
void stored_histograms(const Cells& cells, const Index* n_negative, const Team& team, Visit&& visit) {
    const auto n_labels = static_cast<std::size_t>(cells.labels.n_labels);
    const Background background = cells.labels.background;
    auto next = std::make_unique<std::atomic<Index>[]>(n_labels + 1);
    for (std::size_t j = 0; j <= n_labels; ++j) next[j].store(0, std::memory_order_relaxed);
    for_each_row(cells, team, [&](int, Index, const LabelRow& labels, const auto& row) {
        for_each_explicit_cell(labels, row, background, [&](std::int32_t label, int, double) {
            next[static_cast<std::size_t>(label) + 1].fetch_add(1, std::memory_order_relaxed);
        });
    });
    std::vector<Index> begin(n_labels + 1, 0);
    for (std::size_t j = 0; j < n_labels; ++j) begin[j + 1] = begin[j] + next[j + 1].load(std::memory_order_relaxed);
    for (std::size_t j = 0; j < n_labels; ++j) next[j].store(begin[j], std::memory_order_relaxed);
    std::vector<std::uint16_t> stored(static_cast<std::size_t>(begin[n_labels]));
    for_each_row(cells, team, [&](int, Index, const LabelRow& labels, const auto& row) {
        for_each_explicit_cell(labels, row, background, [&](std::int32_t label, int given, double p) {
            const Index at = next[static_cast<std::size_t>(label)].fetch_add(1, std::memory_order_relaxed);
            stored[static_cast<std::size_t>(at)] = static_cast<std::uint16_t>(LogitBins::bin(p) | (given << 12));
        });
    });
    for_each_range(cells.labels.n_labels, 64, team, [&](Index first, Index last, int) {
        std::vector<Index> positive(LogitBins::size, 0), negative(LogitBins::size, 0);
        std::vector<std::int32_t> used;
        for (auto j = static_cast<std::size_t>(first); j < static_cast<std::size_t>(last); ++j) {
            used.clear();
            Index seen_negative = 0;
            const bool few = begin[j + 1] - begin[j] < 512;
            for (Index k = begin[j]; k < begin[j + 1]; ++k) {
                const std::uint16_t cell = stored[static_cast<std::size_t>(k)];
                const bool given = cell >> 12;
                ++(given ? positive : negative)[cell & 0xfff];
                seen_negative += !given;
                if (few) used.push_back(cell & 0xfff);
            }
            negative[0] += n_negative[j] - seen_negative;
            if (few) {  // far fewer than there are bins
                if (negative[0] > 0) used.push_back(0);
                std::sort(used.begin(), used.end());
                used.erase(std::unique(used.begin(), used.end()), used.end());
            } else {
                list_used(positive, negative, used);
            }
            visit(static_cast<Index>(j), LabelHistogram{positive.data(), negative.data(), used});
            for (const std::int32_t b : used)
                positive[static_cast<std::size_t>(b)] = negative[static_cast<std::size_t>(b)] = 0;
        }
    });
}

}  // namespace detail

/// visit(label, histogram) once for each label, from any thread of the team. `n_negative`: each label's known
/// negatives; those that sparse input does not store are counted at 0.
template <class Visit>
void for_each_label_histogram(const Cells& cells, const Index* n_negative, const Team& whole_team, Visit&& visit) {
    const Team team = whole_team.for_work(cells.n_read());
    const auto* dense = std::get_if<DenseScores>(&cells.scores);
    if (dense && cells.background_is_negative())
        detail::dense_histograms(cells.labels, *dense, team, visit);
    else
        detail::stored_histograms(cells, n_negative, team, visit);
}

}  // namespace mlkit::quality
