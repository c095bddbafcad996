#pragma once
// How often labels occur together: one label at a time, with a dense array of counters for the others.

#include <algorithm>
#include <numeric>
#include <vector>

#include "mlkit/core/views.hpp"

namespace mlkit::labels {

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
struct PairTally {
    std::int32_t both = 0, first_other = 0, other_second = 0, others = 0;
};

/// The others of a label that are counted.
enum class Others { all, after };  ///< after: those with higher numbers

/// One thread's counters. The plain ones serve labels of which every stored cell is positive.
class PairCounter {
  public:
    PairCounter(const LabelView& labels, const CellsByLabel& cells)
        : labels_(labels),
          cells_(cells),
          found_(static_cast<std::size_t>(labels.n_labels) + 1),
          set_(labels.n_labels),
          plain_(labels.values ? 0 : static_cast<std::size_t>(labels.n_labels), 0),
          tallies_(labels.values ? static_cast<std::size_t>(labels.n_labels) : 0) {}

    /// Counts the other labels in the rows of `label`; returns how many there are. `found` lists them, ascending, and
    /// `take` gives and forgets what was counted of each.
    Index count(Index label, Others others) {
        const Index first = others == Others::after ? label + 1 : 0;
        const bool is_dense = !labels_.values && 4 * cells_.work[static_cast<std::size_t>(label)] > labels_.n_labels;
        Index n = 0;
        if (is_dense) {  // nearly every counter is touched: looking at all of them costs less than a list
            std::int32_t* counts = plain_.data();
            walk(label, others, [&](const Place&, Index from, Index to) {
                for (Index k = from; k < to; ++k) ++counts[labels_.indices[k]];
            });
            for (Index j = first; j < labels_.n_labels; ++j) {
                found_[static_cast<std::size_t>(n)] = static_cast<std::int32_t>(j);
                n += counts[j] != 0;
            }
            return n;
        }
        if (labels_.values) {
            walk(label, others, [&](const Place& place, Index from, Index to) {
                n = add_with_values(labels_.values[place.at] == 1, from, to, n);
            });
        } else {
            std::int32_t* counts = plain_.data();
            std::int32_t* found = found_.data();
            walk(label, others, [&](const Place&, Index from, Index to) {
                for (Index k = from; k < to; ++k) {  // whether a label is new is as good as random: no branch
                    const std::int32_t j = labels_.indices[k];
                    found[n] = j;
                    n += counts[j]++ == 0;
                }
            });
        }
        put_in_order(n);
        return n;
    }

    const std::int32_t* found() const { return found_.data(); }
    PairTally take(std::int32_t j) {
        const auto at = static_cast<std::size_t>(j);
        if (!labels_.values) {
            const PairTally tally{plain_[at]};
            plain_[at] = 0;
            return tally;
        }
        const PairTally tally = tallies_[at];
        tallies_[at] = PairTally{};
        return tally;
    }
    /// The same for all of them, where every stored cell is positive.
    void take_all(Index n, std::int32_t* counts) {
        for (Index k = 0; k < n; ++k) {
            std::int32_t& count = plain_[static_cast<std::size_t>(found_[static_cast<std::size_t>(k)])];
            counts[k] = count;
            count = 0;
        }
    }

  private:
    using Place = CellsByLabel::Place;

    /// visit(place, from, to) for the cells that share a row with those of `label`.
    template <class Visit>
    void walk(Index label, Others others, Visit&& visit) const {
        const Index last = cells_.begin[static_cast<std::size_t>(label) + 1];
        for (Index p = cells_.begin[static_cast<std::size_t>(label)]; p < last; ++p) {
            const Place& place = cells_.places[static_cast<std::size_t>(p)];
            if (others == Others::all) visit(place, place.at - place.before, place.at);
            visit(place, place.at + 1, place.at + 1 + place.after);
        }
    }

    Index add_with_values(bool first_positive, Index from, Index to, Index n) {
        for (Index k = from; k < to; ++k) {
            const std::int32_t j = labels_.indices[k];
            PairTally& t = tallies_[static_cast<std::size_t>(j)];
            found_[static_cast<std::size_t>(n)] = j;
            n += (t.both | t.first_other | t.other_second | t.others) == 0;
            const bool second_positive = labels_.values[k] == 1;
            std::int32_t& count = first_positive ? (second_positive ? t.both : t.first_other)
                                                 : (second_positive ? t.other_second : t.others);
            ++count;
        }
        return n;
    }

    void put_in_order(Index n) {
        if (n <= 32) {
            std::sort(found_.begin(), found_.begin() + n);
            return;
        }
        for (Index k = 0; k < n; ++k) set_.insert(found_[static_cast<std::size_t>(k)]);
        std::size_t at = 0;
        set_.drain([&](std::int32_t j) { found_[at++] = j; });
    }

    const LabelView& labels_;
    const CellsByLabel& cells_;
    std::vector<std::int32_t> found_;
    LabelSet set_;
    std::vector<std::int32_t> plain_;
    std::vector<PairTally> tallies_;
};

}  // namespace mlkit::labels
