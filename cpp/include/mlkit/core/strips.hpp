#pragma once
// Short rows of dense scores glued to strips. A loop over twenty labels is over before it pays to be vectorised, and
// the number of labels given in a row is as good as random to a branch predictor; over a strip both are looked at once.

#include <algorithm>
#include <vector>

#include "mlkit/core/cells.hpp"

namespace mlkit {

/// The stored labels of a strip with their scores, by row.
struct StoredCells {
    const std::int32_t* labels;
    const std::int8_t* values;   ///< null: all positives
    const std::int32_t* places;  ///< row in the strip * n_labels + label
    const double* p;
    Index size;

    int value(Index k) const { return values ? values[k] : 1; }
};

/// Rows first, first + 1, ...: the DenseRow of their n_rows * n_labels scores, or the SparseRow of a single row.
template <class Row>
struct Strip {
    Index first, n_rows;
    Row scores;
    StoredCells stored;
};

namespace detail {

/// One thread's scratch memory for the stored cells of its strip.
class StoredGatherer {
  public:
    StoredCells operator()(const LabelView& labels, Index first, Index n_rows, const DenseRow& scores) {
        const StoredCells stored = place(labels, first, n_rows);
        for (Index k = 0; k < stored.size; ++k) p_[static_cast<std::size_t>(k)] = scores.p[stored.places[k]];
        return stored;
    }
    StoredCells operator()(const LabelView& labels, Index first, Index /*n_rows*/, const SparseRow& scores) {
        const StoredCells stored = place(labels, first, 1);
        Index at = 0;
        for (Index k = 0; k < stored.size; ++k)
            p_[static_cast<std::size_t>(k)] = score_at(scores, stored.labels[k], at);
        return stored;
    }

  private:
    static constexpr Index few = 4;

    /// Most rows have few labels: so many are written for each, and what is too much is overwritten by the next row.
    StoredCells place(const LabelView& labels, Index first, Index n_rows) {
        if (!labels.indptr) return {nullptr, nullptr, nullptr, nullptr, 0};
        const Index begin = labels.indptr[first], size = labels.indptr[first + n_rows] - begin;
        if (static_cast<Index>(p_.size()) < size) {
            p_.resize(static_cast<std::size_t>(size));
            places_.resize(static_cast<std::size_t>(size + few));
        }
        const auto n_labels = static_cast<std::int32_t>(labels.n_labels);
        const std::int32_t* from = labels.indices + begin;
        std::int32_t* to = places_.data();
        for (Index r = 0; r < n_rows; ++r) {
            const Index k = labels.indptr[first + r] - begin, end = labels.indptr[first + r + 1] - begin;
            const std::int32_t place = n_labels * static_cast<std::int32_t>(r);
            Index next = k;
            if (k + few <= size)
                for (; next < k + few; ++next) to[next] = place + from[next];
            for (; next < end; ++next) to[next] = place + from[next];
        }
        return {from, labels.values ? labels.values + begin : nullptr, to, p_.data(), size};
    }

    std::vector<std::int32_t> places_;
    std::vector<double> p_;
};

}  // namespace detail

/// Most rows in a strip.
inline Index strip_rows(const Cells& cells) {
    constexpr Index worthwhile = 512;
    const auto* dense = std::get_if<DenseScores>(&cells.scores);
    if (!dense || !cells.background_is_negative() || !DenseReader(*dense).is_seamless()) return 1;
    return std::clamp<Index>(worthwhile / std::max<Index>(1, cells.labels.n_labels), 1, cells.tile_rows());
}

/// Calls body(thread, strip) for every strip; a tile's strips come in order and from one thread.
template <class Body>
void for_each_strip(const Cells& cells, const Team& team, Body&& body) {
    const Index most = strip_rows(cells);
    std::vector<detail::StoredGatherer> gatherers(static_cast<std::size_t>(team.n_threads));
    for_each_tile(cells, team, [&](int thread, Index begin, Index end, const auto& rows) {
        auto& gather = gatherers[static_cast<std::size_t>(thread)];
        for (Index i = begin; i < end; i += most) {
            const Index n_rows = std::min(most, end - i);
            auto scores = rows.row(i);
            if (n_rows > 1) scores.size = n_rows * cells.labels.n_labels;
            body(thread, Strip<decltype(scores)>{i, n_rows, scores, gather(cells.labels, i, n_rows, scores)});
        }
    });
}

/// What is known of each label, once for each row of the longest strip.
inline std::vector<double> repeated(const double* per_label, const Cells& cells) {
    const Index rows = strip_rows(cells), n_labels = cells.labels.n_labels;
    std::vector<double> all;
    all.reserve(static_cast<std::size_t>(rows * n_labels));
    for (Index r = 0; r < rows; ++r) all.insert(all.end(), per_label, per_label + n_labels);
    return all;
}

}  // namespace mlkit
