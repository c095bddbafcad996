#pragma once
// One label at a time: its known cells in descending order of score, ties in order of rows. Dense scores are gathered a
// cache line of labels at a time, sparse ones are turned into columns once; a radix sort on 32 bits orders them.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/metrics/weights.hpp"

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

/// A cell of a sorted column: 32 bits of key (ascending means descending score), 31 bits of row, the truth.
using SortedCell = std::uint64_t;
inline Index row_of(SortedCell cell) { return static_cast<Index>((cell >> 1) & 0x7fffffffu); }
inline bool is_positive(SortedCell cell) { return cell & 1; }
inline std::uint32_t key_of(SortedCell cell) { return static_cast<std::uint32_t>(cell >> 32); }

/// The known cells of one label. What a sparse column does not store has score 0 and no cell of its own.
struct Column {
    Index label = 0;
    const SortedCell* cells = nullptr;
    Index n_cells = 0;
    const double* scores = nullptr;                ///< by row; null where equal keys are equal scores
    std::uint32_t zero_key = 0;                    ///< key of score 0
    const std::int32_t* zero_positives = nullptr;  ///< rows of the positives that are not stored
    Index n_zero_positives = 0, n_zeros = 0;       ///< how many of them, and of all known cells that are not stored
    const std::int32_t* unknown = nullptr;         ///< rows whose cell is unknown, unless `zero_negatives` are listed
    Index n_unknown = 0;
    const std::int32_t* zero_negatives =
        nullptr;  ///< rows of the negatives that are not stored, where truth lists them
    Index n_zero_negatives = 0;
    WideSum zeros_weight = {};  ///< weight of the latter, where rows are weighted

    bool same_score(SortedCell a, SortedCell b) const {
        return key_of(a) == key_of(b) && (!scores || scores[row_of(a)] == scores[row_of(b)]);
    }
    bool is_zero(SortedCell a) const { return key_of(a) == zero_key && (!scores || scores[row_of(a)] == 0.0); }
    bool is_below_zero(SortedCell a) const { return key_of(a) > zero_key || (scores && scores[row_of(a)] < 0.0); }
};

namespace detail {

template <class Stored>
struct SortKey {
    static constexpr bool is_exact = true;
    static std::uint32_t of(double score) {
        const auto x = static_cast<float>(score) + 0.0f;  // -0 is 0
        std::uint32_t b;
        std::memcpy(&b, &x, sizeof b);
        return b & 0x80000000u ? b : ~b & 0x7fffffffu;
    }
};
template <>
struct SortKey<double> {
    static constexpr bool is_exact = false;
    static std::uint32_t of(double score) {
        const double x = score + 0.0;
        std::uint64_t b;
        std::memcpy(&b, &x, sizeof b);
        const auto high = static_cast<std::uint32_t>(b >> 32);
        return high & 0x80000000u ? high : ~high & 0x7fffffffu;
    }
};

/// Stable sort by key, three passes over 11, 11 and 10 bits; a pass in which all cells agree is left out.
class RadixSorter {
  public:
    void sort(std::vector<SortedCell>& cells) {
        const std::size_t n = cells.size();
        if (n < 256) {
            std::sort(cells.begin(), cells.end(), [](SortedCell a, SortedCell b) { return (a >> 1) < (b >> 1); });
            return;
        }
        for (auto& counts : counts_) counts.fill(0);
        for (const SortedCell cell : cells)
            for (std::size_t d = 0; d < 3; ++d) ++counts_[d][digit(cell, d)];
        other_.resize(n);
        for (std::size_t d = 0; d < 3; ++d) {
            auto& counts = counts_[d];
            if (counts[digit(cells[0], d)] == n) continue;
            std::size_t begin = 0;
            for (std::size_t& count : counts) {
                const std::size_t size = count;
                count = begin;
                begin += size;
            }
            for (const SortedCell cell : cells) other_[counts[digit(cell, d)]++] = cell;
            cells.swap(other_);
        }
    }

  private:
    static std::size_t digit(SortedCell cell, std::size_t d) {
        return static_cast<std::size_t>(cell >> (32 + 11 * d)) & 0x7ff;
    }
    std::array<std::array<std::size_t, 2048>, 3> counts_;
    std::vector<SortedCell> other_;
};

/// Orders by the whole score what the 32 bits leave equal.
inline void refine(std::vector<SortedCell>& cells, const double* scores) {
    for (std::size_t begin = 0; begin < cells.size();) {
        std::size_t end = begin + 1;
        bool differs = false;
        for (; end < cells.size() && key_of(cells[end]) == key_of(cells[begin]); ++end)
            differs |= scores[row_of(cells[end])] != scores[row_of(cells[begin])];
        if (differs)
            std::sort(cells.begin() + static_cast<std::ptrdiff_t>(begin),
                      cells.begin() + static_cast<std::ptrdiff_t>(end), [scores](SortedCell a, SortedCell b) {
                          const double x = scores[row_of(a)], y = scores[row_of(b)];
                          return x > y || (x == y && a < b);
                      });
        begin = end;
    }
}

inline SortedCell make_cell(std::uint32_t key, Index row, bool positive) {
    return std::uint64_t{key} << 32 | static_cast<std::uint64_t>(row) << 1 | static_cast<std::uint64_t>(positive);
}

/// One thread's memory for dense columns.
template <class Stored>
class DenseColumns {
  public:
    static constexpr Index width = 64 / static_cast<Index>(sizeof(Stored));  // labels in a cache line

    void gather(const DenseScores& s, Index first, Index n) {
        first_ = first;
        n_rows_ = s.n_rows;
        tile_.resize(static_cast<std::size_t>(n * s.n_rows));
        constexpr Index block = 64;
        for (Index begin = 0; begin < s.n_rows; begin += block) {
            const Index end = std::min(s.n_rows, begin + block);
            for (Index j = 0; j < n; ++j) {
                const std::byte* from = s.data + begin * s.row_stride + (first + j) * s.label_stride;
                Stored* to = tile_.data() + j * s.n_rows;
                for (Index i = begin; i < end; ++i, from += s.row_stride) to[i] = mlkit::detail::load<Stored>(from);
            }
        }
    }

    Column sorted(Index label, const TruthColumns& truth, Background background) {
        const Stored* from = tile_.data() + (label - first_) * n_rows_;
        const auto begin = static_cast<std::size_t>(truth.indptr[static_cast<std::size_t>(label)]);
        const auto end = static_cast<std::size_t>(truth.indptr[static_cast<std::size_t>(label) + 1]);
        using Key = SortKey<Stored>;
        cells_.clear();
        if constexpr (!Key::is_exact) scores_.assign(from, from + n_rows_);
        const auto key = [&](Index i) { return Key::of(mlkit::detail::widen(from[i])); };
        if (background == Background::unknown) {
            for (std::size_t k = begin; k < end; ++k) {
                const int value = truth.values.empty() ? 1 : truth.values[k];
                if (value >= 0) cells_.push_back(make_cell(key(truth.rows[k]), truth.rows[k], value == 1));
            }
        } else {
            cells_.resize(static_cast<std::size_t>(n_rows_));
            for (Index i = 0; i < n_rows_; ++i) cells_[static_cast<std::size_t>(i)] = make_cell(key(i), i, false);
            bool some_unknown = false;
            for (std::size_t k = begin; k < end; ++k) {
                const auto row = static_cast<std::size_t>(truth.rows[k]);
                if (truth.values.empty() || truth.values[k] == 1)
                    cells_[row] |= 1;
                else
                    cells_[row] = gone, some_unknown = true;
            }
            if (some_unknown) cells_.erase(std::remove(cells_.begin(), cells_.end(), gone), cells_.end());
        }
        sorter_.sort(cells_);
        Column column;
        if constexpr (!Key::is_exact) {
            refine(cells_, scores_.data());
            column.scores = scores_.data();
        }
        column.label = label;
        column.cells = cells_.data();
        column.n_cells = static_cast<Index>(cells_.size());
        return column;
    }

  private:
    static constexpr SortedCell gone = ~SortedCell{0};  // no row has this number
    Index first_ = 0, n_rows_ = 0;
    std::vector<Stored> tile_;
    std::vector<double> scores_;
    std::vector<SortedCell> cells_;
    RadixSorter sorter_;
};

/// Stored scores by label, rows ascending.
template <class Stored>
struct ScoreColumns {
    std::vector<Index> indptr;
    std::vector<std::int32_t> rows;
    std::vector<Stored> values;

    explicit ScoreColumns(const SparseScores& s)
        : indptr(static_cast<std::size_t>(s.n_labels) + 1, 0),
          rows(static_cast<std::size_t>(s.n_stored())),
          values(rows.size()) {
        for (Index k = 0; k < s.n_stored(); ++k) ++indptr[static_cast<std::size_t>(s.indices[k]) + 1];
        for (std::size_t j = 1; j < indptr.size(); ++j) indptr[j] += indptr[j - 1];
        std::vector<Index> next(indptr.begin(), indptr.end() - 1);
        for (Index i = 0; i < s.n_rows; ++i)
            for (Index k = s.indptr[i]; k < s.indptr[i + 1]; ++k) {
                const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(s.indices[k])]++);
                rows[at] = static_cast<std::int32_t>(i);
                values[at] = mlkit::detail::load<Stored>(s.data + k * static_cast<Index>(sizeof(Stored)));
            }
    }
};

/// One thread's memory for sparse columns.
template <class Stored>
class SparseColumnSorter {
  public:
    SparseColumnSorter(Index n_rows, RowWeights weights) : n_rows_(n_rows), weights_(weights) {
        for (Index i = 0; i < n_rows && weights.units; ++i) total_.add(weights[i]);
        if (!SortKey<Stored>::is_exact) scores_.resize(static_cast<std::size_t>(n_rows));
    }

    Column sorted(Index label, const ScoreColumns<Stored>& scores, const TruthColumns& truth, Background background) {
        using Key = SortKey<Stored>;
        const auto j = static_cast<std::size_t>(label);
        const auto end = static_cast<std::size_t>(scores.indptr[j + 1]);
        const auto truth_end = static_cast<std::size_t>(truth.indptr[j + 1]);
        auto s = static_cast<std::size_t>(scores.indptr[j]);
        cells_.clear();
        zeros_.clear();
        zero_negatives_.clear();
        unknown_.clear();
        Index n_known = background == Background::negative ? n_rows_ : 0;
        WideSum known, stored;  // weights
        if (background == Background::negative) known = total_;
        const auto weigh = [&](Index row, WideSum& sum) {
            if (weights_.units) sum.add(weights_[row]);
        };
        WideSum unknown;
        const auto store = [&](std::size_t at, bool positive) {
            weigh(scores.rows[at], stored);
            const double score = mlkit::detail::widen(scores.values[at]);
            if constexpr (!Key::is_exact) scores_[static_cast<std::size_t>(scores.rows[at])] = score;
            cells_.push_back(make_cell(Key::of(score), scores.rows[at], positive));
        };
        for (auto t = static_cast<std::size_t>(truth.indptr[j]); t < truth_end; ++t) {
            const std::int32_t row = truth.rows[t];
            const int value = truth.values.empty() ? 1 : truth.values[t];
            for (; s < end && scores.rows[s] < row; ++s)
                if (background == Background::negative) store(s, false);
            const bool is_stored = s < end && scores.rows[s] == row;
            if (background == Background::negative && value < 0) {
                --n_known;
                weigh(row, unknown);
                unknown_.push_back(row);
            }
            if (background == Background::unknown && value >= 0) ++n_known, weigh(row, known);
            if (value >= 0 && is_stored) store(s, value == 1);
            if (value == 1 && !is_stored) zeros_.push_back(row);
            if (value == 0 && !is_stored) zero_negatives_.push_back(row);
            s += is_stored;
        }
        for (; s < end; ++s)
            if (background == Background::negative) store(s, false);
        sorter_.sort(cells_);
        Column column;
        if constexpr (!Key::is_exact) {
            refine(cells_, scores_.data());
            column.scores = scores_.data();
        }
        column.label = label;
        column.cells = cells_.data();
        column.n_cells = static_cast<Index>(cells_.size());
        column.zero_key = Key::of(0.0);
        column.zero_positives = zeros_.data();
        column.n_zero_positives = static_cast<Index>(zeros_.size());
        column.n_zeros = n_known - column.n_cells;
        column.unknown = unknown_.data();
        column.n_unknown = static_cast<Index>(unknown_.size());
        if (background == Background::unknown) column.zero_negatives = zero_negatives_.data();
        column.n_zero_negatives = static_cast<Index>(zero_negatives_.size());
        column.zeros_weight = known.minus(unknown).minus(stored);
        return column;
    }

  private:
    Index n_rows_;
    RowWeights weights_;
    WideSum total_;
    std::vector<double> scores_;
    std::vector<std::int32_t> zeros_, zero_negatives_, unknown_;
    std::vector<SortedCell> cells_;
    RadixSorter sorter_;
};

}  // namespace detail

/// Calls body(thread, column) once for every label. Memory per thread: a cache line of labels for dense scores, one
/// label otherwise (beside all stored cells by label). Rows are numbered in 31 bits.
template <class Body>
void for_each_column(const Cells& cells, RowWeights weights, const Team& whole_team, Body&& body) {
    const Team team = whole_team.for_work(8 * cells.n_read());
    const TruthColumns truth(cells.labels);
    const auto n_threads = static_cast<std::size_t>(team.n_threads);
    const Index n_labels = cells.labels.n_labels;
    if (const auto* dense = std::get_if<DenseScores>(&cells.scores)) {
        mlkit::detail::with_stored(dense->real, [&](auto stored) {
            using Tile = detail::DenseColumns<decltype(stored)>;
            std::vector<Tile> tiles(n_threads);
            const Index width =
                std::max<Index>(1, std::min(Tile::width, (n_labels + team.n_threads - 1) / team.n_threads));
            for_each_range(n_labels, width, team, [&](Index begin, Index end, int thread) {
                Tile& tile = tiles[static_cast<std::size_t>(thread)];
                tile.gather(*dense, begin, end - begin);
                for (Index j = begin; j < end; ++j) body(thread, tile.sorted(j, truth, cells.labels.background));
            });
        });
        return;
    }
    const auto& sparse = std::get<SparseScores>(cells.scores);
    mlkit::detail::with_stored(sparse.real, [&](auto stored) {
        using Sorter = detail::SparseColumnSorter<decltype(stored)>;
        const detail::ScoreColumns<decltype(stored)> columns(sparse);
        std::vector<Sorter> sorters(n_threads, Sorter(cells.labels.n_rows, weights));
        for_each_range(n_labels, 16, team, [&](Index begin, Index end, int thread) {
            Sorter& sorter = sorters[static_cast<std::size_t>(thread)];
            for (Index j = begin; j < end; ++j) body(thread, sorter.sorted(j, columns, truth, cells.labels.background));
        });
    });
}

}  // namespace mlkit::metrics
