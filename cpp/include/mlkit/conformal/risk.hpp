#pragma once
// Risks of the sets {k : p_k >= t} as functions of t. They are step functions that jump at observed probabilities only,
// so that sorting those gives them exactly, without a grid. Losses are whole multiples of 2^-40.

#include <algorithm>
#include <cmath>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/fixed_point.hpp"

namespace mlkit::conformal {

enum class Risk { fnr, miscoverage, fp };

/// What an example's loss gains when the threshold passes `p` (fnr, miscoverage: the label drops out above p) or has
/// not passed it yet (fp).
struct Jump {
    double p;
    std::int32_t example;
    std::int32_t unused = 0;
    std::int64_t units;
};

/// Jumps by ascending probability; equal ones in the order of examples. Unknown cells count for nothing.
inline std::vector<Jump> risk_jumps(const Cells& cells, Risk risk, const Team& whole) {
    const Team team = whole.for_work(cells.n_read());
    std::vector<std::vector<Jump>> found(static_cast<std::size_t>(cells.labels.n_rows));
    constexpr double one = 0x1p40;
    for_each_row(cells, team, [&](int, Index i, const LabelRow& labels, const auto& row) {
        auto& jumps = found[static_cast<std::size_t>(i)];
        const auto example = static_cast<std::int32_t>(i);
        if (risk == Risk::fp) {
            Index stored = 0;
            std::vector<double> wrong;
            for (Index at = 0; at < row.size; ++at) {
                std::int32_t label = static_cast<std::int32_t>(at);
                if constexpr (std::is_same_v<std::decay_t<decltype(row)>, SparseRow>) label = row.labels[at];
                while (stored < labels.size && labels.labels[stored] < label) ++stored;
                const bool is_stored = stored < labels.size && labels.labels[stored] == label;
                if (is_stored ? labels.value(stored) == 0 : cells.background_is_negative()) wrong.push_back(row.p[at]);
            }
            std::sort(wrong.begin(), wrong.end(), std::greater<>());
            const double n_labels = static_cast<double>(cells.labels.n_labels);
            std::int64_t before = 0;
            for (std::size_t m = 0; m < wrong.size(); ++m) {
                const std::int64_t after = std::llround(static_cast<double>(m + 1) / n_labels * one);
                jumps.push_back({wrong[m], example, 0, after - before});
                before = after;
            }
            return;
        }
        std::vector<double> right;
        for_each_stored_label(labels, row, [&](std::int32_t, int given, double p) {
            if (given == 1) right.push_back(p);
        });
        if (right.empty()) return;
        std::sort(right.begin(), right.end());
        if (risk == Risk::miscoverage) {
            jumps.push_back({right.front(), example, 0, static_cast<std::int64_t>(one)});
            return;
        }
        const double size = static_cast<double>(right.size());
        std::int64_t before = 0;
        for (std::size_t m = 0; m < right.size(); ++m) {  // so that missing all of them costs exactly 1
            const std::int64_t after = std::llround(static_cast<double>(m + 1) / size * one);
            jumps.push_back({right[m], example, 0, after - before});
            before = after;
        }
    });
    std::vector<Jump> all;
    for (auto& jumps : found) all.insert(all.end(), jumps.begin(), jumps.end());
    std::stable_sort(all.begin(), all.end(), [](const Jump& a, const Jump& b) { return a.p < b.p; });
    return all;
}

/// Whether betting against "mean loss >= level" wins (Waudby-Smith & Ramdas 2024, as used for risk control by Bates et
/// al. 2021): the largest capital along the whole path exceeds 1 / delta. Losses come in the order of the examples.
inline bool betting_certifies(const std::vector<std::int64_t>& losses, double level, double log_inverse_delta) {
    const double n = static_cast<double>(losses.size());
    double sum = 0.0, squares = 0.0, variance = 0.25, capital = 0.0;
    for (std::size_t j = 0; j < losses.size(); ++j) {
        const double loss = static_cast<double>(losses[j]) * 0x1p-40;
        const double stake = std::min(1.0, std::sqrt(2.0 * log_inverse_delta / (n * variance)));
        capital += std::log1p(-stake * (loss - level));
        if (capital > log_inverse_delta) return true;
        const double seen = static_cast<double>(j + 1);
        sum += loss;
        const double mean = (0.5 + sum) / (seen + 1.0);
        squares += (loss - mean) * (loss - mean);
        variance = (0.25 + squares) / (seen + 1.0);
    }
    return false;
}

/// Number of jumps, whole groups of equal probability, that may be passed in the given order while betting certifies
/// the risk after each group; -1 when not even the start is certified. `ends` are the groups' ends.
inline Index certified_groups(const std::vector<std::int32_t>& examples, const std::vector<std::int64_t>& units,
                              const std::vector<Index>& ends, Index n_examples, double level, double log_inverse_delta,
                              const Team& team) {
    std::vector<std::int64_t> losses(static_cast<std::size_t>(n_examples), 0);
    if (!betting_certifies(losses, level, log_inverse_delta)) return -1;
    Index begin = 0, certified = 0;
    bool is_going = true;
    // one group after the other: a serial walk, in blocks only so that Ctrl-C is heard
    for_each_block(static_cast<Index>(ends.size()), Team{1, team.interrupted}, [&](Index group, int) {
        if (!is_going) return;
        const Index end = ends[static_cast<std::size_t>(group)];
        for (Index k = begin; k < end; ++k)
            losses[static_cast<std::size_t>(examples[static_cast<std::size_t>(k)])] +=
                units[static_cast<std::size_t>(k)];
        begin = end;
        is_going = betting_certifies(losses, level, log_inverse_delta);
        if (is_going) certified = end;
    });
    return certified;
}

}  // namespace mlkit::conformal
