#pragma once
// One label at a time: its cells with their scores, and what the truth says of them. Dense scores are gathered a few
// labels at a time, sparse ones are turned into columns once.

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "mlkit/core/cells.hpp"

namespace mlkit::metrics {

/// Stored truth by label: rows ascending, values 1, 0 or -1.
struct TruthColumns {
    std::vector<Index> indptr;
    std::vector<std::int32_t> rows;
    std::vector<std::int8_t> values;  ///< empty: all 1

    explicit TruthColumns(const LabelView& labels) : indptr(static_cast<std::size_t>(labels.n_labels) + 1, 0) {
        const Index n = labels.n_stored();
        for (Index k = 0; k < n; ++k) ++indptr[static_cast<std::size_t>(labels.indices[k]) + 1];
        for (std::size_t j = 1; j < indptr.size(); ++j) indptr[j] += indptr[j - 1];
        rows.resize(static_cast<std::size_t>(n));
        if (labels.values) values.resize(rows.size());
        std::vector<Index> next(indptr.begin(), indptr.end() - 1);
        for (Index i = 0; i < labels.n_rows && n; ++i) {
            const LabelRow row = labels.row(i);
            for (Index k = 0; k < row.size; ++k) {
                const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(row.labels[k])]++);
                rows[at] = static_cast<std::int32_t>(i);
                if (labels.values) values[at] = row.values[k];
            }
        }
    }
};

/// Numbers of cells or of rows.
using Numbers = std::vector<std::int32_t>;

/// The cells of one label, those without a score of their own apart: what a sparse column does not store has score 0.
template <class Real>
struct Column {
    Index label = 0;
    const Real* scores = nullptr;
    const std::int32_t* rows = nullptr;  ///< null: cell k is that of row k
    Index size = 0;
    Numbers positive, unknown;            ///< cells; all others are negative
    Numbers zero_positive, zero_unknown;  ///< rows without a score, as far as the truth stores them
    Numbers zero_negative;                ///< the same; against a negative background there are others
    Index n_zeros = 0;                    ///< known cells without a score
    bool lists_zeros = false;             ///< all of them are among zero_positive and zero_negative

    Index row(Index cell) const { return rows ? rows[cell] : cell; }
};

/// Single precision holds half precision too.
template <class Stored>
using RealOf = std::conditional_t<std::is_same_v<Stored, double>, double, float>;

namespace detail {

/// One thread's memory for a column.
template <class Real>
class ColumnMaker {
  public:
    /// `rows` null: the scores are those of all rows.
    const Column<Real>& make(Index label, const Real* scores, const std::int32_t* rows, Index size, Index n_rows,
                             const TruthColumns& truth, Background background) {
        Column<Real>& c = column_;
        c.label = label;
        for (Numbers* list : {&c.positive, &c.unknown, &c.zero_positive, &c.zero_unknown, &c.zero_negative})
            list->clear();
        known_scores_.clear();
        known_rows_.clear();
        const bool lists_known = background == Background::unknown;
        const auto end = static_cast<std::size_t>(truth.indptr[static_cast<std::size_t>(label) + 1]);
        Index s = 0;
        for (auto t = static_cast<std::size_t>(truth.indptr[static_cast<std::size_t>(label)]); t < end; ++t) {
            const std::int32_t row = truth.rows[t];
            const int value = truth.values.empty() ? 1 : truth.values[t];
            while (rows && s < size && rows[s] < row) ++s;
            Index cell = rows ? s : row;
            if (rows && (s == size || rows[s] != row)) {
                (value == 1 ? c.zero_positive : value == 0 ? c.zero_negative : c.zero_unknown).push_back(row);
                continue;
            }
            if (lists_known && value >= 0) {
                known_scores_.push_back(scores[cell]);
                known_rows_.push_back(row);
                cell = static_cast<Index>(known_rows_.size()) - 1;
            }
            if (value == 1) c.positive.push_back(static_cast<std::int32_t>(cell));
            if (value < 0 && !lists_known) c.unknown.push_back(static_cast<std::int32_t>(cell));
        }
        c.lists_zeros = lists_known;
        if (lists_known) {
            c.scores = known_scores_.data();
            c.rows = known_rows_.data();
            c.size = static_cast<Index>(known_rows_.size());
            c.n_zeros = static_cast<Index>(c.zero_positive.size() + c.zero_negative.size());
        } else {
            c.scores = scores;
            c.rows = rows;
            c.size = size;
            c.n_zeros = n_rows - size - static_cast<Index>(c.zero_unknown.size());
        }
        return c;
    }

  private:
    Column<Real> column_;
    std::vector<Real> known_scores_;
    Numbers known_rows_;
};

/// One thread's copy of a few dense columns.
template <class Stored>
class DenseTile {
  public:
    using Real = RealOf<Stored>;

    void gather(const DenseScores& s, Index first, Index n) {
        stride_ = s.n_rows + 64 / static_cast<Index>(sizeof(Real));  // columns must not fall into the same cache sets
        tile_.resize(static_cast<std::size_t>(n * stride_));
        const std::byte* from = s.data + first * s.label_stride;
        if (s.label_stride != sizeof(Stored)) {
            for (Index j = 0; j < n; ++j)
                for (Index i = 0; i < s.n_rows; ++i)
                    tile_[static_cast<std::size_t>(j * stride_ + i)] =
                        load(from + i * s.row_stride + j * s.label_stride);
            return;
        }
        for (Index i = 0; i < s.n_rows; ++i, from += s.row_stride) {
            Real* to = tile_.data() + i;
            for (Index j = 0; j < n; ++j, to += stride_) *to = load(from + j * static_cast<Index>(sizeof(Stored)));
        }
    }
    const Real* column(Index j) const { return tile_.data() + j * stride_; }

  private:
    static Real load(const std::byte* from) {
        return static_cast<Real>(mlkit::detail::widen(mlkit::detail::load<Stored>(from)));
    }
    Index stride_ = 0;
    std::vector<Real> tile_;
};

/// Stored scores by label, rows ascending.
template <class Stored>
struct ScoreColumns {
    using Real = RealOf<Stored>;
    std::vector<Index> indptr;
    Numbers rows;
    std::vector<Real> scores;

    explicit ScoreColumns(const SparseScores& s)
        : indptr(static_cast<std::size_t>(s.n_labels) + 1, 0),
          rows(static_cast<std::size_t>(s.n_stored())),
          scores(rows.size()) {
        for (Index k = 0; k < s.n_stored(); ++k) ++indptr[static_cast<std::size_t>(s.indices[k]) + 1];
        for (std::size_t j = 1; j < indptr.size(); ++j) indptr[j] += indptr[j - 1];
        rows.reserve(1);  // no null where nothing is stored: that would mean the scores of all rows
        std::vector<Index> next(indptr.begin(), indptr.end() - 1);
        for (Index i = 0; i < s.n_rows; ++i)
            for (Index k = s.indptr[i]; k < s.indptr[i + 1]; ++k) {
                const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(s.indices[k])]++);
                rows[at] = static_cast<std::int32_t>(i);
                const auto stored = mlkit::detail::load<Stored>(s.data + k * static_cast<Index>(sizeof(Stored)));
                scores[at] = static_cast<Real>(mlkit::detail::widen(stored));
            }
    }
};

/// Labels that a thread gathers at once: a cache line of them, fewer where their copies would take more than two bytes
/// for each cell of a large array.
template <class Stored>
Index tile_labels(const DenseScores& s, int n_threads) {
    constexpr Index line = 64 / static_cast<Index>(sizeof(Stored)), size = sizeof(RealOf<Stored>);
    Index width = std::min(line, (s.n_labels + n_threads - 1) / n_threads);
    if (width * size * s.n_rows > (Index{1} << 24)) width = std::min(width, 2 * s.n_labels / (size * n_threads));
    return std::max<Index>(1, width);
}

}  // namespace detail

/// Calls body(thread, column) once for every label. Rows are numbered in 31 bits.
template <class Stored, class Body>
void for_each_column_as(const Cells& cells, const Team& team, Body&& body) {
    using Real = RealOf<Stored>;
    const LabelView& labels = cells.labels;
    const TruthColumns truth(labels);
    const auto n_threads = static_cast<std::size_t>(team.n_threads);
    std::vector<detail::ColumnMaker<Real>> makers(n_threads);
    if (const auto* dense = std::get_if<DenseScores>(&cells.scores)) {
        std::vector<detail::DenseTile<Stored>> tiles(n_threads);
        const Index width = detail::tile_labels<Stored>(*dense, team.n_threads);
        for_each_range(labels.n_labels, width, team, [&](Index begin, Index end, int thread) {
            auto& tile = tiles[static_cast<std::size_t>(thread)];
            auto& maker = makers[static_cast<std::size_t>(thread)];
            tile.gather(*dense, begin, end - begin);
            for (Index j = begin; j < end; ++j)
                body(thread, maker.make(j, tile.column(j - begin), nullptr, labels.n_rows, labels.n_rows, truth,
                                        labels.background));
        });
        return;
    }
    const detail::ScoreColumns<Stored> scores(std::get<SparseScores>(cells.scores));
    for_each_range(labels.n_labels, 16, team, [&](Index begin, Index end, int thread) {
        auto& maker = makers[static_cast<std::size_t>(thread)];
        for (Index j = begin; j < end; ++j) {
            const Index from = scores.indptr[static_cast<std::size_t>(j)];
            const Index size = scores.indptr[static_cast<std::size_t>(j) + 1] - from;
            body(thread, maker.make(j, scores.scores.data() + from, scores.rows.data() + from, size, labels.n_rows,
                                    truth, labels.background));
        }
    });
}

/// Calls f with a value of the C++ type that stores the scores.
template <class F>
decltype(auto) with_stored_scores(const Cells& cells, F&& f) {
    const Real real = std::visit([](const auto& scores) { return scores.real; }, cells.scores);
    return mlkit::detail::with_stored(real, std::forward<F>(f));
}

}  // namespace mlkit::metrics
