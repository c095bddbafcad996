#pragma once
// The worst cells of a data set, without scores for all the others.

#include <algorithm>
#include <tuple>
#include <vector>

#include "mlkit/quality/scores.hpp"

namespace mlkit::quality {

struct ScoredCell {
    double score;
    Index row;
    std::int32_t label;
    std::int8_t given;
    double p;

    bool operator<(const ScoredCell& o) const {
        return std::tie(score, row, label) < std::tie(o.score, o.row, o.label);
    }
};

/// The `top` lowest scores, ascending, ties by row and label. Cells that are neither given nor scored above 0 are left
/// out: there the labels and the model agree with certainty. O(read) time, O(top x threads) memory.
inline std::vector<ScoredCell> worst_cells(const Cells& cells, const CellScorer& scorer, Index top,
                                           const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    std::vector<std::vector<ScoredCell>> heaps(static_cast<std::size_t>(team.n_threads));  // largest on top
    if (top > 0) {
        for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& row) {
            auto& heap = heaps[static_cast<std::size_t>(thread)];
            const auto visit = [&](std::int32_t label, int given, double p) {
                const ScoredCell cell{scorer(label, given, p), i, label, static_cast<std::int8_t>(given), p};
                if (static_cast<Index>(heap.size()) == top) {
                    if (!(cell < heap.front())) return;
                    std::pop_heap(heap.begin(), heap.end());
                    heap.back() = cell;
                } else {
                    heap.push_back(cell);
                }
                std::push_heap(heap.begin(), heap.end());
            };
            for_each_explicit_cell(labels, row, cells.labels.background, [&](std::int32_t label, int given, double p) {
                if (given > 0 || p > 0) visit(label, given, p);
            });
        });
    }
    std::vector<ScoredCell> all;
    for (const auto& heap : heaps) all.insert(all.end(), heap.begin(), heap.end());
    std::sort(all.begin(), all.end());
    if (static_cast<Index>(all.size()) > top) all.resize(static_cast<std::size_t>(top));
    return all;
}

}  // namespace mlkit::quality
