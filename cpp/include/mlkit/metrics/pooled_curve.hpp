#pragma once
// The curve of all cells of all labels together (micro averages), without sorting them: the distinct scores of the
// positives are sorted, every cell is counted where it falls among them.

#include "mlkit/metrics/curves.hpp"

namespace mlkit::metrics {

namespace detail {

/// One thread's runs of stored scores: those of a few rows end to end, copied only where they do not lie so.
template <class Stored>
class ScoreRuns {
  public:
    using Real = RealOf<Stored>;

    explicit ScoreRuns(const Scores& scores) : scores_(scores) {}

    void load(Index begin, Index end) {
        begin_ = begin;
        std::visit([&](const auto& s) { load(s, begin, end); }, scores_);
    }
    const Real* data() const { return data_; }
    Index size() const { return size_; }
    /// Position in the run of a row's first score, and how many of its scores are stored.
    Index first(Index row) const {
        if (const auto* sparse = std::get_if<SparseScores>(&scores_))
            return sparse->indptr[row] - sparse->indptr[begin_];
        return (row - begin_) * std::get<DenseScores>(scores_).n_labels;
    }
    Index n_stored(Index row) const {
        if (const auto* sparse = std::get_if<SparseScores>(&scores_))
            return sparse->indptr[row + 1] - sparse->indptr[row];
        return std::get<DenseScores>(scores_).n_labels;
    }
    /// The score of a label; `at` remembers the place for ascending queries of a row.
    Real score(Index row, std::int32_t label, Index& at) const {
        const auto* sparse = std::get_if<SparseScores>(&scores_);
        if (!sparse) return data_[first(row) + label];
        const std::int32_t* labels = sparse->indices + sparse->indptr[row];
        const Index n = n_stored(row);
        while (at < n && labels[at] < label) ++at;
        return at < n && labels[at] == label ? data_[first(row) + at] : Real{0};
    }

  private:
    void load(const DenseScores& s, Index begin, Index end) {
        const auto size = static_cast<std::ptrdiff_t>(sizeof(Stored));
        size_ = (end - begin) * s.n_labels;
        const std::byte* from = s.data + begin * s.row_stride;
        if (s.label_stride == size && s.row_stride == size * s.n_labels) return take(from);
        copy_.resize(static_cast<std::size_t>(size_));
        Real* to = copy_.data();
        for (Index i = begin; i < end; ++i, from += s.row_stride)
            for (Index j = 0; j < s.n_labels; ++j) *to++ = widened(from + j * s.label_stride);
        data_ = copy_.data();
    }
    void load(const SparseScores& s, Index begin, Index end) {
        size_ = s.indptr[end] - s.indptr[begin];
        take(s.data + s.indptr[begin] * static_cast<Index>(sizeof(Stored)));
    }
    void take(const std::byte* from) {
        if constexpr (std::is_same_v<Stored, Real>) {
            if (reinterpret_cast<std::uintptr_t>(from) % alignof(Real) == 0) {
                data_ = reinterpret_cast<const Real*>(from);
                return;
            }
        }
        copy_.resize(static_cast<std::size_t>(size_));
        for (Index k = 0; k < size_; ++k)
            copy_[static_cast<std::size_t>(k)] = widened(from + k * static_cast<Index>(sizeof(Stored)));
        data_ = copy_.data();
    }
    static Real widened(const std::byte* from) {
        return static_cast<Real>(mlkit::detail::widen(mlkit::detail::load<Stored>(from)));
    }

    const Scores& scores_;
    Index begin_ = 0, size_ = 0;
    const Real* data_ = nullptr;
    std::vector<Real> copy_;
};

/// Rows that are looked at together: some thousand scores.
inline Index run_rows(const Cells& cells) {
    return std::max<Index>(
        1, (Index{1} << 14) / std::max<Index>(1, cells.n_read() / std::max<Index>(1, cells.labels.n_rows)));
}

/// One thread's part of a pooled curve.
template <class Stored, class Sum>
class PooledPart {
  public:
    using Real = RealOf<Stored>;

    PooledPart(const Cells& cells, RowWeights weights) : cells_(cells), weights_(weights), runs_(cells.scores) {}

    void collect_positives(Index begin, Index end) {
        runs_.load(begin, end);
        for_each_truth(begin, end, [&](Index, int value, Real score) {
            if (value == 1) positives.push_back(score);
        });
    }

    void count(const KeyTable<Real>& table, std::int32_t zero, Index begin, Index end) {
        if (sums.known.empty()) sums.clear(table.n_keys());
        runs_.load(begin, end);
        const bool is_negative = cells_.background_is_negative();
        if (is_negative) {
            places_.resize(static_cast<std::size_t>(runs_.size()));
            table.find(runs_.data(), runs_.size(), places_.data());
            count_all(begin, end, static_cast<std::size_t>(zero));
        }
        truth_scores_.clear();
        for_each_truth(begin, end, [&](Index, int, Real score) { truth_scores_.push_back(score); });
        places_.resize(truth_scores_.size());
        table.find(truth_scores_.data(), static_cast<Index>(truth_scores_.size()), places_.data());
        const std::int32_t* place = places_.data();
        for_each_truth(begin, end, [&](Index row, int value, Real) {
            const auto at = static_cast<std::size_t>(*place++);
            const std::uint64_t w = weights_[row];
            if (value == 1) add_to(sums.positive[at / 2], w);
            if (is_negative && value < 0) subtract_from(sums.known[at], w);
            if (!is_negative && value >= 0) add_to(sums.known[at], w);
        });
    }

    std::vector<Real> positives;
    PlaceSums<Sum> sums;

  private:
    template <class Visit>
    void for_each_truth(Index begin, Index end, Visit&& visit) const {
        for (Index i = begin; i < end; ++i) {
            const LabelRow row = cells_.labels.row(i);
            Index at = 0;
            for (Index k = 0; k < row.size; ++k) visit(i, row.value(k), runs_.score(i, row.labels[k], at));
        }
    }

    void count_all(Index begin, Index end, std::size_t zero) {
        if constexpr (std::is_same_v<Sum, Index>) {
            for (const std::int32_t place : places_) ++sums.known[static_cast<std::size_t>(place)];
            sums.known[zero] += (end - begin) * cells_.labels.n_labels - runs_.size();
        } else {
            for (Index i = begin; i < end; ++i) {
                const Index first = runs_.first(i), n = runs_.n_stored(i);
                const std::uint64_t w = weights_[i];
                for (Index k = first; k < first + n; ++k)
                    sums.known[static_cast<std::size_t>(places_[static_cast<std::size_t>(k)])].add(w);
                sums.known[zero].add(times(w, static_cast<std::uint64_t>(cells_.labels.n_labels - n)));
            }
        }
    }
    /// A weight so many times, in two words.
    static WideSum times(std::uint64_t units, std::uint64_t n) {
        WideSum product{static_cast<std::int64_t>((units >> 32) * n), 0};
        product.add((units & 0xffffffffu) * n);
        return product;
    }

    const Cells& cells_;
    RowWeights weights_;
    ScoreRuns<Stored> runs_;
    std::vector<Real> truth_scores_;
    std::vector<std::int32_t> places_;
};

}  // namespace detail

/// Calls use(stored, table, sums, curve) with a value of the C++ type that stores the scores, the distinct scores of
/// the positives and the sums by place among them. Time of one search in a table for each cell (for each stored one on
/// sparse scores), memory in proportion to the positives.
template <class Sum, class Use>
void with_pooled_curve(const Cells& cells, RowWeights weights, const Team& whole_team, Use&& use) {
    const Team team = whole_team.for_work(4 * cells.n_read());
    Curve curve;
    with_stored_scores(cells, [&](auto stored) {
        using Part = detail::PooledPart<decltype(stored), Sum>;
        std::vector<Part> parts(static_cast<std::size_t>(team.n_threads), Part(cells, weights));
        const Index step = detail::run_rows(cells);
        for_each_range(cells.labels.n_rows, step, team, [&](Index begin, Index end, int thread) {
            parts[static_cast<std::size_t>(thread)].collect_positives(begin, end);
        });
        auto& positives = parts[0].positives;
        for (std::size_t t = 1; t < parts.size(); ++t) {
            positives.insert(positives.end(), parts[t].positives.begin(), parts[t].positives.end());
            parts[t].positives = {};
        }
        KeyTable<RealOf<decltype(stored)>> table;
        table.build(positives);
        positives = {};
        const std::int32_t zero = table.place(0);
        for_each_range(cells.labels.n_rows, step, team, [&](Index begin, Index end, int thread) {
            parts[static_cast<std::size_t>(thread)].count(table, zero, begin, end);
        });
        PlaceSums<Sum>& total = parts[0].sums;
        if (total.known.empty()) total.clear(table.n_keys());
        for (std::size_t t = 1; t < parts.size(); ++t) {
            if (!parts[t].sums.known.empty()) total.merge(parts[t].sums);
            parts[t].sums = {};
        }
        total.trace(curve);
        use(stored, table, total, curve);
    });
}

template <class Sum>
Curve pooled_curve(const Cells& cells, RowWeights weights, const Team& team) {
    Curve found;
    with_pooled_curve<Sum>(cells, weights, team,
                           [&](auto, const auto&, const auto&, Curve& curve) { found = std::move(curve); });
    return found;
}

}  // namespace mlkit::metrics
