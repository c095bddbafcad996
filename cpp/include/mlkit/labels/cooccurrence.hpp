#pragma once
// Which labels occur together, and how strongly: exact counts from compressed rows.
//
// Label by label, the rows that carry label i are walked and every other label of those rows is counted in one dense
// array per thread. Nothing of size L x L is ever held: a label's pairs are judged and written out before the next
// label begins. Each pair is counted from both of its sides: that is cheaper than putting mirror images in order.

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit::labels {

enum class PairMeasure { count, jaccard, dice, cosine, lift, pmi, phi };

/// Counts of two labels over the rows in which both are known.
struct PairCounts {
    Index n, first, second, both;
};

/// Of rows where both are known. A label that is constant there has phi 0.
inline double measure_of(PairMeasure measure, const PairCounts& c) {
    const auto n = static_cast<double>(c.n), a = static_cast<double>(c.first), b = static_cast<double>(c.second);
    const auto ab = static_cast<double>(c.both);
    switch (measure) {
        case PairMeasure::count:
            return ab;
        case PairMeasure::jaccard:
            return ab / (a + b - ab);
        case PairMeasure::dice:
            return 2.0 * ab / (a + b);
        case PairMeasure::cosine:
            return ab / std::sqrt(a * b);
        case PairMeasure::lift:
            return (n * ab) / (a * b);
        case PairMeasure::pmi:
            return std::log((n * ab) / (a * b));
        case PairMeasure::phi:
            break;
    }
    const double spread = (a * (n - a)) * (b * (n - b));
    return spread > 0.0 ? (n * ab - a * b) / std::sqrt(spread) : 0.0;
}

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

/// The stored cells by label: where each lies in the rows' arrays, and the bounds of its row.
struct CellsByLabel {
    struct Place {
        Index at;
        std::int32_t before, after;  ///< cells of the row on either side
    };
    std::vector<Index> begin;
    std::vector<Place> places;
    std::vector<Index> work;  ///< cells that lie in the rows of each label

    explicit CellsByLabel(const LabelView& labels)
        : begin(static_cast<std::size_t>(labels.n_labels) + 1, 0),
          places(static_cast<std::size_t>(labels.n_stored())),
          work(static_cast<std::size_t>(labels.n_labels), 0) {
        for (Index k = 0; k < labels.n_stored(); ++k) ++begin[static_cast<std::size_t>(labels.indices[k]) + 1];
        std::partial_sum(begin.begin(), begin.end(), begin.begin());
        std::vector<Index> next(begin.begin(), begin.end() - 1);
        for (Index i = 0; i < labels.n_rows && labels.n_stored() > 0; ++i) {
            const Index first = labels.indptr[i], last = labels.indptr[i + 1];
            for (Index k = first; k < last; ++k) {
                const auto label = static_cast<std::size_t>(labels.indices[k]);
                places[static_cast<std::size_t>(next[label]++)] = {k, static_cast<std::int32_t>(k - first),
                                                                   static_cast<std::int32_t>(last - 1 - k)};
                work[label] += last - first;
            }
        }
    }
};

/// A set of label numbers that is listed in order without sorting: one bit a label, and one for each word of bits.
class LabelSet {
  public:
    explicit LabelSet(Index n_labels)
        : bits_(static_cast<std::size_t>(n_labels / 64 + 1), 0),
          words_(static_cast<std::size_t>(n_labels / 4096 + 1), 0) {}

    void insert(std::int32_t j) {
        bits_[static_cast<std::size_t>(j >> 6)] |= std::uint64_t{1} << (j & 63);
        words_[static_cast<std::size_t>(j >> 12)] |= std::uint64_t{1} << (j >> 6 & 63);
    }
    /// Calls visit(label) in ascending order and leaves the set empty.
    template <class Visit>
    void drain(Visit&& visit) {
        for (std::size_t w = 0; w < words_.size(); ++w)
            for (; words_[w]; words_[w] &= words_[w] - 1) {
                const std::size_t word = w * 64 + lowest(words_[w]);
                for (; bits_[word]; bits_[word] &= bits_[word] - 1)
                    visit(static_cast<std::int32_t>(word * 64 + lowest(bits_[word])));
            }
    }

  private:
    static std::size_t lowest(std::uint64_t bits) {
#if defined(__GNUC__) || defined(__clang__)
        return static_cast<std::size_t>(__builtin_ctzll(bits));
#else
        std::size_t at = 0;
        while (!(bits >> at & 1)) ++at;
        return at;
#endif
    }
    std::vector<std::uint64_t> bits_, words_;
};

/// What one label has counted of another. Cells are of two kinds: positive, and stored otherwise (unknown, or known
/// negative where the background is unknown).
struct Tally {
    std::int32_t both = 0, first_other = 0, other_second = 0, others = 0;
};

/// One thread's dense counters. The plain ones serve labels of which every stored cell is positive.
class PairCounter {
  public:
    PairCounter(const LabelView& labels, const CellsByLabel& cells)
        : labels_(labels),
          cells_(cells),
          seen_(labels.n_labels),
          plain_(labels.values ? 0 : static_cast<std::size_t>(labels.n_labels), 0),
          tallies_(labels.values ? static_cast<std::size_t>(labels.n_labels) : 0) {}

    /// Calls visit(other, tally) for the other labels in the rows of `label`, ascending.
    template <class Visit>
    void for_each_other(Index label, Visit&& visit) {
        const auto first = static_cast<std::size_t>(cells_.begin[static_cast<std::size_t>(label)]);
        const auto last = static_cast<std::size_t>(cells_.begin[static_cast<std::size_t>(label) + 1]);
        for (std::size_t p = first; p < last; ++p) {
            const CellsByLabel::Place& place = cells_.places[p];
            const auto add = [&](Index from, Index to) {
                if (labels_.values)
                    add_with_values(labels_.values[place.at] == 1, from, to);
                else
                    add_plain(from, to);
            };
            add(place.at - place.before, place.at);
            add(place.at + 1, place.at + 1 + place.after);
        }
        if (labels_.values)
            seen_.drain([&](std::int32_t j) {
                const Tally tally = tallies_[static_cast<std::size_t>(j)];
                tallies_[static_cast<std::size_t>(j)] = Tally{};
                visit(j, tally);
            });
        else
            seen_.drain([&](std::int32_t j) {
                const Tally tally{plain_[static_cast<std::size_t>(j)]};
                plain_[static_cast<std::size_t>(j)] = 0;
                visit(j, tally);
            });
    }

  private:
    void add_plain(Index from, Index to) {
        for (Index k = from; k < to; ++k) {
            const std::int32_t j = labels_.indices[k];
            if (plain_[static_cast<std::size_t>(j)]++ == 0) seen_.insert(j);
        }
    }
    void add_with_values(bool first_positive, Index from, Index to) {
        for (Index k = from; k < to; ++k) {
            const std::int32_t j = labels_.indices[k];
            seen_.insert(j);
            Tally& t = tallies_[static_cast<std::size_t>(j)];
            const bool second_positive = labels_.values[k] == 1;
            std::int32_t& count = first_positive ? (second_positive ? t.both : t.first_other)
                                                 : (second_positive ? t.other_second : t.others);
            ++count;
        }
    }

    const LabelView& labels_;
    const CellsByLabel& cells_;
    LabelSet seen_;
    std::vector<std::int32_t> plain_;
    std::vector<Tally> tallies_;
};

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
    PairCounts pair(Index i, Index j, const Tally& t) const {
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

/// The pairs of a block of labels, row after row.
struct PairBlock {
    std::vector<Index> row_sizes;
    std::vector<std::int32_t> others, counts;
    std::vector<double> values;

    void add(const Pair& pair, bool as_count) {
        others.push_back(pair.label);
        if (as_count)
            counts.push_back(static_cast<std::int32_t>(pair.count));
        else
            values.push_back(pair.value);
    }
};

/// Bounds of runs of labels that carry about equal work, cut by the problem alone.
inline std::vector<Index> cut_by_work(const std::vector<Index>& work) {
    const Index total = std::accumulate(work.begin(), work.end(), Index{0});
    const Index share = std::max<Index>(20'000, total / 256);
    std::vector<Index> bounds{0};
    Index load = 0;
    for (std::size_t j = 0; j < work.size(); ++j) {
        load += work[j] + 1;
        if (load >= share) {
            bounds.push_back(static_cast<Index>(j) + 1);
            load = 0;
        }
    }
    if (bounds.back() != static_cast<Index>(work.size())) bounds.push_back(static_cast<Index>(work.size()));
    return bounds;
}

inline PairMatrix joined(std::vector<PairBlock>& blocks, bool as_count, const Team& team) {
    PairMatrix out;
    out.indptr.push_back(0);
    std::vector<Index> begin{0};
    for (const PairBlock& block : blocks) {
        for (const Index size : block.row_sizes) out.indptr.push_back(out.indptr.back() + size);
        begin.push_back(out.indptr.back());
    }
    out.indices.allocate(begin.back());
    if (as_count)
        out.counts.allocate(begin.back());
    else
        out.values.allocate(begin.back());
    for_each_block(static_cast<Index>(blocks.size()), team, [&](Index b, int) {
        PairBlock& block = blocks[static_cast<std::size_t>(b)];
        const Index to = begin[static_cast<std::size_t>(b)];
        std::copy(block.others.begin(), block.others.end(), out.indices.data.get() + to);
        if (as_count)
            std::copy(block.counts.begin(), block.counts.end(), out.counts.data.get() + to);
        else
            std::copy(block.values.begin(), block.values.end(), out.values.data.get() + to);
        block = PairBlock();
    });
    return out;
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

}  // namespace detail

/// O(stored + pair increments) time; 16 bytes for a stored cell, a dense counter per thread, and the pairs kept.
inline PairMatrix cooccurrence(const LabelView& labels, const PairRequest& request, const Team& whole_team) {
    using namespace detail;
    const CellsByLabel cells(labels);
    const PairJudge judge(labels, request, cells);
    const bool as_count = request.measure == PairMeasure::count;
    const std::vector<Index> bounds = cut_by_work(cells.work);
    const Team team = whole_team.for_work(std::accumulate(cells.work.begin(), cells.work.end(), Index{0}));
    std::vector<PairBlock> blocks(bounds.size() - 1);
    std::vector<PairCounter> counters(static_cast<std::size_t>(team.n_threads), PairCounter(labels, cells));
    std::vector<std::vector<Pair>> rows(static_cast<std::size_t>(team.n_threads));
    for_each_block(static_cast<Index>(blocks.size()), team, [&](Index b, int thread) {
        std::vector<Pair>& row = rows[static_cast<std::size_t>(thread)];
        PairBlock& block = blocks[static_cast<std::size_t>(b)];
        for (Index i = bounds[static_cast<std::size_t>(b)]; i < bounds[static_cast<std::size_t>(b) + 1]; ++i) {
            const Index support = judge.positives(i);
            const Pair own{static_cast<std::int32_t>(i), support, as_count ? 0.0 : judge.worth(judge.alone(i))};
            const std::size_t size_before = block.others.size();
            bool is_own_due = support >= request.min_count;
            const auto add = [&](const Pair& pair) {  // the label itself goes between those before and after it
                if (is_own_due && pair.label > i) {
                    block.add(own, as_count);
                    is_own_due = false;
                }
                block.add(pair, as_count);
            };
            row.clear();
            counters[static_cast<std::size_t>(thread)].for_each_other(i, [&](std::int32_t j, const Tally& tally) {
                if (tally.both < request.min_count) return;
                const Pair pair{j, tally.both, as_count ? 0.0 : judge.worth(judge.pair(i, j, tally))};
                if (request.top >= 0)
                    row.push_back(pair);
                else
                    add(pair);
            });
            if (request.top >= 0) keep_strongest(row, request.top, as_count);
            for (const Pair& pair : row) add(pair);
            if (is_own_due) block.add(own, as_count);
            block.row_sizes.push_back(static_cast<Index>(block.others.size() - size_before));
        }
    });
    return joined(blocks, as_count, team);
}

}  // namespace mlkit::labels
