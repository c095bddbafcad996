#pragma once
// Labels and scores of the same (n, L) cells, and the walks over them that kernels share. Everything a kernel does per
// cell is written once, as a visitor; how labels and scores are stored is decided here.

#include <algorithm>
#include <variant>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/score_rows.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit {

using Scores = std::variant<DenseScores, SparseScores>;

struct Cells {
    LabelView labels;
    Scores scores;

    /// Array entries that one pass reads: what decides how many threads are worth starting.
    Index n_read() const {
        if (const auto* sparse = std::get_if<SparseScores>(&scores)) return sparse->n_stored() + labels.n_stored();
        return labels.n_rows * labels.n_labels;
    }
    /// Rows that `for_each_row` hands to one thread at a time.
    Index tile_rows() const {
        return std::holds_alternative<SparseScores>(scores) ? SparseReader::tile_rows(labels.n_labels)
                                                            : DenseReader::tile_rows(labels.n_labels);
    }
    bool background_is_negative() const { return labels.background == Background::negative; }
};

/// Calls body(thread, begin, end, rows) for every tile; rows.row(i) is a DenseRow or a SparseRow. Tiles are cut by the
/// problem's size alone.
template <class Body>
void for_each_tile(const Cells& cells, const Team& team, Body&& body) {
    std::visit(
        [&](const auto& scores) {
            using Reader = decltype(reader(scores));
            std::vector<Reader> readers(static_cast<std::size_t>(team.n_threads), reader(scores));
            for_each_range(cells.labels.n_rows, cells.tile_rows(), team, [&](Index begin, Index end, int thread) {
                Reader& rows = readers[static_cast<std::size_t>(thread)];
                rows.load(begin, end);
                body(thread, begin, end, static_cast<const Reader&>(rows));
            });
        },
        cells.scores);
}

/// Calls body(thread, i, label_row, score_row) for every row: a tile's rows in order and from one thread.
template <class Body>
void for_each_row(const Cells& cells, const Team& team, Body&& body) {
    for_each_tile(cells, team, [&](int thread, Index begin, Index end, const auto& rows) {
        for (Index i = begin; i < end; ++i) body(thread, i, cells.labels.row(i), rows.row(i));
    });
}

/// The score of one label in a row; `at` remembers the place for ascending queries.
inline double score_at(const DenseRow& row, std::int32_t label, Index& /*at*/) { return row.p[label]; }
inline double score_at(const SparseRow& row, std::int32_t label, Index& at) {
    while (at < row.size && row.labels[at] < label) ++at;
    return at < row.size && row.labels[at] == label ? row.p[at] : 0.0;
}

/// visit(label, given, p) for each cell whose label is stored and known, ascending.
template <class Row, class Visit>
void for_each_stored_label(const LabelRow& labels, const Row& scores, Visit&& visit) {
    Index at = 0;
    for (Index k = 0; k < labels.size; ++k) {
        const int given = labels.value(k);
        if (given >= 0) visit(labels.labels[k], given, score_at(scores, labels.labels[k], at));
    }
}

}  // namespace mlkit
