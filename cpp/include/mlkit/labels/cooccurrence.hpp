#pragma once
// Which labels occur together, and how strongly: exact counts from compressed rows.
//
// Label by label, the rows that carry it are walked and the labels with higher numbers in those rows are counted; what
// is found makes the upper triangle, whose mirror image makes the lower one. With a limit on the pairs of each label
// (`top`) nothing is mirrored: the labels on both sides are counted, and a label's pairs are judged before the next
// label begins, so that no more is ever held than is asked for.

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/labels/pair_counter.hpp"
#include "mlkit/labels/pair_measures.hpp"

namespace mlkit::labels {

struct PairRequest {
    PairMeasure measure = PairMeasure::count;
    Index min_count = 1;
    Index top = -1;  ///< so many strongest others of each label; -1: all
};

/// Memory that is written before it is read: nothing fills it with zeros first.
template <class T>
struct Buffer {
    std::unique_ptr<T[]> data;
    Index size = 0;

    void allocate(Index n) {
        data.reset(new T[static_cast<std::size_t>(n)]);
        size = n;
    }
};

/// A matrix in compressed rows with ascending columns; `counts` or `values` is filled.
struct PairMatrix {
    std::vector<Index> indptr;
    Buffer<std::int32_t> indices;
    Buffer<Index> counts;
    Buffer<double> values;
};

namespace detail {

/// How the counts of a pair follow from what was counted, and what a pair is worth.
class PairJudge {
  public:
    PairJudge(const LabelView& labels, const PairRequest& request, const CellsByLabel& cells)
        : labels_(labels), request_(request), positives_(static_cast<std::size_t>(labels.n_labels), 0) {
        stored_.resize(positives_.size());
        for (std::size_t j = 0; j < positives_.size(); ++j) stored_[j] = cells.begin[j + 1] - cells.begin[j];
        for (Index k = 0; k < labels.n_stored(); ++k)
            positives_[static_cast<std::size_t>(labels.indices[k])] += !labels.values || labels.values[k] == 1;
    }

    Index positives(Index j) const { return positives_[static_cast<std::size_t>(j)]; }
    PairCounts alone(Index j) const {
        const Index c = positives(j), others = stored_[static_cast<std::size_t>(j)] - c;
        const Index known = labels_.background == Background::negative ? labels_.n_rows - others : c + others;
        return {known, c, c, c};
    }
    PairCounts pair(Index i, Index j, const PairTally& t) const {
        const Index both = t.both;
        if (!labels_.values)
            return labels_.background == Background::negative
                       ? PairCounts{labels_.n_rows, positives(i), positives(j), both}
                       : PairCounts{both, both, both, both};
        if (labels_.background == Background::unknown)  // known together: both are stored
            return {Index{t.both} + t.first_other + t.other_second + t.others, Index{t.both} + t.first_other,
                    Index{t.both} + t.other_second, both};
        const Index unknown_i = stored_[static_cast<std::size_t>(i)] - positives(i);
        const Index unknown_j = stored_[static_cast<std::size_t>(j)] - positives(j);
        return {labels_.n_rows - unknown_i - unknown_j + t.others, positives(i) - t.first_other,
                positives(j) - t.other_second, both};
    }
    double worth(const PairCounts& counts) const { return measure_of(request_.measure, counts); }

  private:
    const LabelView& labels_;
    const PairRequest& request_;
    std::vector<Index> positives_, stored_;
};

struct Pair {
    std::int32_t label;
    Index count;
    double value;
};

/// The pairs of a block of labels, row after row; `counts` or `values` is filled.
struct PairBlock {
    std::vector<Index> row_begin{0};
    std::vector<std::int32_t> others, counts;
    std::vector<double> values;

    void add(const Pair& pair, bool as_count) {
        others.push_back(pair.label);
        if (as_count)
            counts.push_back(static_cast<std::int32_t>(pair.count));
        else
            values.push_back(pair.value);
    }
    void end_row() { row_begin.push_back(static_cast<Index>(others.size())); }
};

/// Bounds of at most `most` runs of labels that carry about equal work, cut by the problem alone.
inline std::vector<Index> cut_by_work(const std::vector<Index>& work, Index most) {
    const Index total = std::accumulate(work.begin(), work.end(), Index{0});
    const Index share = std::max<Index>(20'000, total / most + 1);
    std::vector<Index> bounds{0};
    Index load = 0;
    for (std::size_t j = 0; j < work.size(); ++j) {
        load += work[j];
        if (load >= share) {
            bounds.push_back(static_cast<Index>(j) + 1);
            load = 0;
        }
    }
    if (bounds.back() != static_cast<Index>(work.size())) bounds.push_back(static_cast<Index>(work.size()));
    return bounds;
}

/// Keeps the `top` strongest, equal ones by the lower label, and puts them back into order.
inline void keep_strongest(std::vector<Pair>& row, Index top, bool as_count) {
    if (static_cast<Index>(row.size()) <= top) return;
    std::nth_element(row.begin(), row.begin() + top, row.end(), [as_count](const Pair& a, const Pair& b) {
        if (as_count && a.count != b.count) return a.count > b.count;
        if (!as_count && a.value != b.value) return a.value > b.value;
        return a.label < b.label;
    });
    row.resize(static_cast<std::size_t>(top));
    std::sort(row.begin(), row.end(), [](const Pair& a, const Pair& b) { return a.label < b.label; });
}

class PairCollector {
  public:
    PairCollector(const LabelView& labels, const PairRequest& request, const Team& team)
        : labels_(labels),
          request_(request),
          as_count_(request.measure == PairMeasure::count),
          is_mirrored_(request.top < 0),
          cells_(labels),
          judge_(labels, request, cells_),
          team_(team.for_work(std::accumulate(cells_.work.begin(), cells_.work.end(), Index{0}))),
          bounds_(cut_by_work(cells_.work, 256)),
          blocks_(bounds_.size() - 1) {}

    PairMatrix collect() {
        std::vector<PairCounter> counters(static_cast<std::size_t>(team_.n_threads), PairCounter(labels_, cells_));
        std::vector<std::vector<Pair>> rows(counters.size());
        for_each_block(static_cast<Index>(blocks_.size()), team_, [&](Index b, int thread) {
            PairBlock& block = blocks_[static_cast<std::size_t>(b)];
            for (Index i = bounds_[static_cast<std::size_t>(b)]; i < bounds_[static_cast<std::size_t>(b) + 1]; ++i) {
                find_pairs(i, counters[static_cast<std::size_t>(thread)], rows[static_cast<std::size_t>(thread)],
                           block);
                block.end_row();
            }
        });
        PairMatrix out;
        out.indptr = row_bounds();
        out.indices.allocate(out.indptr.back());
        if (as_count_) {
            out.counts.allocate(out.indptr.back());
            fill(out, &PairBlock::counts, out.counts.data.get());
        } else {
            out.values.allocate(out.indptr.back());
            fill(out, &PairBlock::values, out.values.data.get());
        }
        return out;
    }

  private:
    void find_pairs(Index i, PairCounter& counter, std::vector<Pair>& row, PairBlock& block) const {
        const Index n = counter.count(i, is_mirrored_ ? Others::after : Others::all);
        const std::int32_t* found = counter.found();
        if (is_mirrored_ && as_count_ && !labels_.values && request_.min_count == 1) {  // nothing to judge
            const std::size_t before = block.others.size();
            block.others.insert(block.others.end(), found, found + n);
            block.counts.resize(before + static_cast<std::size_t>(n));
            counter.take_all(n, block.counts.data() + before);
            return;
        }
        row.clear();
        for (Index k = 0; k < n; ++k) {
            const std::int32_t j = found[k];
            const PairTally tally = counter.take(j);
            if (tally.both < request_.min_count) continue;
            row.push_back({j, tally.both, as_count_ ? 0.0 : judge_.worth(judge_.pair(i, j, tally))});
        }
        if (!is_mirrored_) keep_strongest(row, request_.top, as_count_);
        for (const Pair& pair : row) block.add(pair, as_count_);
    }

    bool has_own(Index i) const { return judge_.positives(i) >= request_.min_count; }

    /// Where the rows of the whole matrix begin.
    std::vector<Index> row_bounds() {
        const auto n_labels = static_cast<std::size_t>(labels_.n_labels);
        mirrored_.assign(n_labels, 0);
        if (is_mirrored_) {
            std::vector<std::vector<std::int32_t>> counts(static_cast<std::size_t>(team_.n_threads));
            for (auto& of_thread : counts) of_thread.assign(n_labels, 0);
            for_each_block(static_cast<Index>(blocks_.size()), team_, [&](Index b, int thread) {
                std::int32_t* of_thread = counts[static_cast<std::size_t>(thread)].data();
                for (const std::int32_t j : blocks_[static_cast<std::size_t>(b)].others) ++of_thread[j];
            });
            for (const auto& of_thread : counts)
                for (std::size_t j = 0; j < n_labels; ++j) mirrored_[j] += of_thread[j];
        }
        std::vector<Index> begin{0};
        begin.reserve(n_labels + 1);
        for (const PairBlock& block : blocks_)
            for (std::size_t r = 0; r + 1 < block.row_begin.size(); ++r) {
                const auto i = static_cast<Index>(begin.size()) - 1;
                begin.push_back(begin.back() + mirrored_[static_cast<std::size_t>(i)] + block.row_begin[r + 1] -
                                block.row_begin[r] + has_own(i));
            }
        return begin;
    }

    /// Writes the pairs that were found, each label itself among them, and the mirror images before.
    template <class Found, class Value>
    void fill(const PairMatrix& out, std::vector<Found> PairBlock::* data_of, Value* data) const {
        for_each_block(static_cast<Index>(blocks_.size()), team_, [&](Index b, int) {
            const PairBlock& block = blocks_[static_cast<std::size_t>(b)];
            const std::vector<Found>& found = block.*data_of;
            for (std::size_t r = 0; r + 1 < block.row_begin.size(); ++r) {
                const Index i = bounds_[static_cast<std::size_t>(b)] + static_cast<Index>(r);
                Index to = out.indptr[static_cast<std::size_t>(i)] + mirrored_[static_cast<std::size_t>(i)];
                const Index end = block.row_begin[r + 1];
                Index k = block.row_begin[r];
                const auto copy = [&](Index until) {
                    for (; k < until; ++k, ++to) {
                        out.indices.data[static_cast<std::size_t>(to)] = block.others[static_cast<std::size_t>(k)];
                        data[to] = static_cast<Value>(found[static_cast<std::size_t>(k)]);
                    }
                };
                if (has_own(i)) {
                    copy(std::lower_bound(block.others.begin() + k, block.others.begin() + end, i) -
                         block.others.begin());
                    out.indices.data[static_cast<std::size_t>(to)] = static_cast<std::int32_t>(i);
                    data[to++] = as_count_ ? static_cast<Value>(judge_.positives(i))
                                           : static_cast<Value>(judge_.worth(judge_.alone(i)));
                }
                copy(end);
            }
        });
        if (!is_mirrored_) return;
        // Few parts: each looks through all pairs; not one part, for so many open ends do not fit in the cache.
        const std::vector<Index> parts = cut_by_work(mirrored_, 8);
        for_each_block(static_cast<Index>(parts.size()) - 1, team_, [&](Index p, int) {
            mirror(out, parts[static_cast<std::size_t>(p)], parts[static_cast<std::size_t>(p) + 1], data_of, data);
        });
    }

    /// Writes the mirror images that belong to the rows from `first` to `last`.
    template <class Found, class Value>
    void mirror(const PairMatrix& out, Index first, Index last, std::vector<Found> PairBlock::* data_of,
                Value* data) const {
        std::vector<Index> next(out.indptr.begin() + first, out.indptr.begin() + last);
        for (std::size_t b = 0; b < blocks_.size() && bounds_[b] < last; ++b) {
            const PairBlock& block = blocks_[b];
            const std::vector<Found>& found = block.*data_of;
            for (std::size_t r = 0; r + 1 < block.row_begin.size(); ++r) {
                const Index i = bounds_[b] + static_cast<Index>(r), end = block.row_begin[r + 1];
                Index k = block.row_begin[r];
                if (i + 1 < first)
                    k = std::lower_bound(block.others.begin() + k, block.others.begin() + end, first) -
                        block.others.begin();
                for (; k < end && block.others[static_cast<std::size_t>(k)] < last; ++k) {
                    const Index to =
                        next[static_cast<std::size_t>(block.others[static_cast<std::size_t>(k)] - first)]++;
                    out.indices.data[static_cast<std::size_t>(to)] = static_cast<std::int32_t>(i);
                    data[to] = static_cast<Value>(found[static_cast<std::size_t>(k)]);
                }
            }
        }
    }

    const LabelView& labels_;
    const PairRequest& request_;
    const bool as_count_, is_mirrored_;
    const CellsByLabel cells_;
    const PairJudge judge_;
    const Team team_;
    const std::vector<Index> bounds_;  ///< of the blocks
    std::vector<PairBlock> blocks_;
    std::vector<Index> mirrored_;  ///< mirror images in each row
};

}  // namespace detail

/// O(stored + pair increments) time; 16 bytes for a stored cell, a dense counter per thread, and the pairs kept.
inline PairMatrix cooccurrence(const LabelView& labels, const PairRequest& request, const Team& team) {
    return detail::PairCollector(labels, request, team).collect();
}

}  // namespace mlkit::labels
