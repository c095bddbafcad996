#pragma once
// How much each row moves the areas of all cells together: a second walk over the cells, now that the curve is known.
// A negative's influence depends on its score alone, so a row's sum is that of the entries of a table. A table of every
// place among many positives does not fit into the caches, and the search for a place takes longer than all else: then
// one on the leading bits of the score is used, unless that would blur the influences.

#include "mlkit/metrics/influence.hpp"
#include "mlkit/metrics/pooled_curve.hpp"

namespace mlkit::metrics {

namespace detail {

/// Sums of the low and of the high halves of table[at[k]].
struct Halves {
    std::uint64_t low = 0, high = 0;
};
MLKIT_CLONES [[maybe_unused]] static Halves sum_halves(const std::uint64_t* __restrict table,
                                                       const std::int32_t* __restrict at, Index n) {
    Halves sums;
    for (Index k = 0; k < n; ++k) {
        const std::uint64_t entry = table[at[k]];
        sums.low += entry & 0xffffffffu;
        sums.high += entry >> 32;
    }
    return sums;
}

/// Keys as numbers of buckets of equal width, the outermost of which hold all that lies beyond.
template <class Key>
struct KeyBuckets {
    Key low = 0, high = 0;
    unsigned shift = 0;

    KeyBuckets() = default;
    KeyBuckets(Key first, Key last, Key most) {
        while (((last >> shift) - (first >> shift)) >= most) ++shift;
        low = (first >> shift) - 1;
        high = (last >> shift) + 1;
    }
    std::size_t size() const { return static_cast<std::size_t>(high - low) + 1; }
    std::int32_t operator()(Key key) const {
        const Key bucket = key >> shift, above = bucket > low ? bucket : low;
        return static_cast<std::int32_t>((above < high ? above : high) - low);
    }
};

MLKIT_CLONES [[maybe_unused]] static void find_buckets(KeyBuckets<std::uint32_t> of,
                                                       const std::uint32_t* __restrict keys, Index n,
                                                       std::int32_t* __restrict at) {
    for (Index k = 0; k < n; ++k) at[k] = of(keys[k]);
}
MLKIT_CLONES [[maybe_unused]] static void find_buckets(KeyBuckets<std::uint64_t> of,
                                                       const std::uint64_t* __restrict keys, Index n,
                                                       std::int32_t* __restrict at) {
    for (Index k = 0; k < n; ++k) at[k] = of(keys[k]);
}

/// Whole numbers of 2^-exponent: what a cell adds to the sums of its row.
struct PooledShare {
    std::int64_t auc = 0, precision = 0;

    void add(const PooledShare& other) {
        auc += other.auc;
        precision += other.precision;
    }
    void subtract(const PooledShare& other) {
        auc -= other.auc;
        precision -= other.precision;
    }
    void add_times(const PooledShare& other, Index n) {
        auc += n * other.auc;
        precision += n * other.precision;
    }
};

/// The influence of a cell by its score.
template <class Real, class Sum>
class PooledShares {
  public:
    using Key = simd::KeyOf<Real>;

    PooledShares(const KeyTable<Real>& table, const PlaceSums<Sum>& sums, const Curve& curve) : table_(table) {
        CurveInfluence of_points;
        of_points.prepare(curve);
        std::vector<CellInfluence> negative;
        has_buckets_ = table.n_places() > most_places && fill_buckets(of_points, sums, negative);
        if (!has_buckets_) negative.resize(sums.known.size());
        Most most;
        const CellInfluence lowest = walk_places(
            of_points, sums,
            [&](std::size_t g, const CellInfluence& between, const CellInfluence& tied, const CellInfluence& positive) {
                most.add(positive);
                if (has_buckets_) return;
                negative[2 * g + 2] = between;
                negative[2 * g + 1] = tied;
            });
        if (!has_buckets_) negative[0] = lowest;
        set_exponents(negative, most);
        positive_.resize(sums.positive.size());
        walk_places(of_points, sums,
                    [&](std::size_t g, const CellInfluence&, const CellInfluence&, const CellInfluence& positive) {
                        positive_[g] = in_units(positive);
                    });
        pack(negative);
    }

    /// Entries of the table of negatives for n scores.
    void find(const Real* scores, Index n, std::vector<Key>& scratch, std::int32_t* at) const {
        if (!has_buckets_) return table_.find(scores, n, at);
        constexpr Index block = 1024;
        scratch.resize(static_cast<std::size_t>(block));
        for (Index begin = 0; begin < n; begin += block) {
            const Index size = std::min(block, n - begin);
            simd::order_bits(scores + begin, size, scratch.data());
            find_buckets(buckets_, scratch.data(), size, at + begin);
        }
    }
    PooledShare sum(const std::int32_t* at, Index n) const {
        const Halves halves = sum_halves(packed_.data(), at, n);
        PooledShare out{static_cast<std::int64_t>(halves.low), static_cast<std::int64_t>(halves.high)};
        out.add_times(least_, n);
        return out;
    }
    PooledShare negative(std::int32_t at) const { return sum(&at, 1); }
    /// `place`: that of the positive in the table of scores.
    PooledShare positive(std::int32_t place) const { return positive_[static_cast<std::size_t>(place / 2)]; }

    double auc(const PooledShare& x) const { return std::ldexp(static_cast<double>(x.auc), -auc_exponent_); }
    double precision(const PooledShare& x) const {
        return std::ldexp(static_cast<double>(x.precision), -precision_exponent_);
    }

  private:
    static constexpr Index most_places = Index{1} << 15;
    static constexpr Key most_buckets = Key{1} << 16;

    /// Largest absolute values; of what has no value (AUC without negatives) none.
    struct Most {
        double auc = 0.0, precision = 0.0;

        void add(const CellInfluence& x) {
            auc = std::max(auc, std::isnan(x.auc) ? 0.0 : std::abs(x.auc));
            precision = std::max(precision, std::abs(x.precision));
        }
    };
    /// Sums of squares.
    struct Squares {
        double auc = 0.0, precision = 0.0;

        void add(double w, const CellInfluence& x, const CellInfluence& from) {
            if (!std::isnan(x.auc)) auc += w * (x.auc - from.auc) * (x.auc - from.auc);
            precision += w * (x.precision - from.precision) * (x.precision - from.precision);
        }
    };
    /// Weighted sums of one bucket.
    struct Bucket {
        double weight = 0.0;
        CellInfluence sum, first;
        Squares squares;

        void add(double w, const CellInfluence& x) {
            sum.auc += w * (x.auc - first.auc);
            sum.precision += w * (x.precision - first.precision);
            squares.add(w, x, first);
            weight += w;
        }
        CellInfluence mean() const {
            if (weight <= 0.0) return first;
            return {first.auc + sum.auc / weight, first.precision + sum.precision / weight};
        }
        /// Of those around the mean.
        Squares rest() const {
            Squares out = squares;
            if (weight > 0.0) {
                out.auc -= sum.auc * sum.auc / weight;
                out.precision -= sum.precision * sum.precision / weight;
            }
            return out;
        }
    };

    /// The means of the places in each bucket; false where they would lose more than 2^-16 of the sum of squares. What
    /// lies between two scores may be in the bucket of either, and counts as lost by both.
    bool fill_buckets(const CurveInfluence& of_points, const PlaceSums<Sum>& sums, std::vector<CellInfluence>& out) {
        const Index n_keys = table_.n_keys();
        buckets_ = KeyBuckets<Key>(table_.key(0), table_.key(n_keys - 1), most_buckets);
        out.resize(buckets_.size());
        Squares lost, all;
        Bucket bucket;
        auto at = static_cast<Index>(buckets_.size());
        CellInfluence above;
        double weight_above = 0.0;
        const auto close = [&](double weight_below, const CellInfluence& below) {
            const CellInfluence mean = bucket.mean();
            out[static_cast<std::size_t>(at)] = mean;
            const Squares rest = bucket.rest();
            lost.auc += rest.auc;
            lost.precision += rest.precision;
            lost.add(weight_above, above, mean);
            lost.add(weight_below, below, mean);
        };
        const CellInfluence lowest = walk_places(
            of_points, sums,
            [&](std::size_t g, const CellInfluence& between, const CellInfluence& tied, const CellInfluence& positive) {
                const double between_weight = metrics::in_units(sums.known[2 * g + 2]);
                const double positive_weight = metrics::in_units(sums.positive[g]);
                const double tied_weight = std::max(0.0, metrics::in_units(sums.known[2 * g + 1]) - positive_weight);
                all.add(between_weight, between, {});
                all.add(tied_weight, tied, {});
                all.add(positive_weight, positive, {});
                const Index mine = buckets_(table_.key(static_cast<Index>(g)));
                if (mine == at) {
                    bucket.add(between_weight, between);
                } else {
                    if (at < static_cast<Index>(out.size())) close(between_weight, between);
                    while (--at > mine) out[static_cast<std::size_t>(at)] = between;
                    bucket = {};
                    bucket.first = tied;
                    above = between;
                    weight_above = between_weight;
                }
                bucket.add(tied_weight, tied);
            });
        const double lowest_weight = metrics::in_units(sums.known[0]);
        all.add(lowest_weight, lowest, {});
        close(lowest_weight, lowest);
        while (--at >= 0) out[static_cast<std::size_t>(at)] = lowest;
        return lost.auc <= 0x1p-16 * all.auc && lost.precision <= 0x1p-16 * all.precision;
    }

    /// The units in which negatives take 30 bits at most, and positives 44.
    void set_exponents(const std::vector<CellInfluence>& negative, const Most& of_positives) {
        Most of_negatives;
        for (const CellInfluence& x : negative) of_negatives.add(x);
        const auto bits = [](double x) { return x > 0.0 ? std::ilogb(x) + 1 : -1000; };
        auc_exponent_ = std::min(30 - bits(of_negatives.auc), 44 - bits(of_positives.auc));
        precision_exponent_ = std::min(30 - bits(of_negatives.precision), 44 - bits(of_positives.precision));
    }
    PooledShare in_units(const CellInfluence& x) const {
        const auto whole = [](double value, int exponent) {
            return std::isnan(value) ? 0 : static_cast<std::int64_t>(std::nearbyint(std::ldexp(value, exponent)));
        };
        return {whole(x.auc, auc_exponent_), whole(x.precision, precision_exponent_)};
    }
    void pack(const std::vector<CellInfluence>& negative) {
        least_ = in_units(negative.front());
        for (const CellInfluence& each : negative) {
            const PooledShare x = in_units(each);
            least_.auc = std::min(least_.auc, x.auc);
            least_.precision = std::min(least_.precision, x.precision);
        }
        packed_.reserve(negative.size());
        for (const CellInfluence& each : negative) {
            PooledShare x = in_units(each);
            x.subtract(least_);
            packed_.push_back(static_cast<std::uint64_t>(x.precision) << 32 | static_cast<std::uint64_t>(x.auc));
        }
    }

    const KeyTable<Real>& table_;
    bool has_buckets_ = false;
    KeyBuckets<Key> buckets_;
    int auc_exponent_ = 0, precision_exponent_ = 0;
    std::vector<std::uint64_t> packed_;  ///< negatives, over the least of them: precision << 32 | AUC
    PooledShare least_;
    std::vector<PooledShare> positive_;
};

/// One thread's walk over rows.
template <class Stored, class Sum>
class PooledRows {
  public:
    using Real = RealOf<Stored>;

    PooledRows(const Cells& cells, const PooledShares<Real, Sum>& shares, const KeyTable<Real>& table)
        : cells_(cells), shares_(shares), table_(table), runs_(cells.scores) {
        const Real zero{0};
        std::int32_t at;
        shares_.find(&zero, 1, keys_, &at);
        zero_ = shares_.negative(at);
    }

    /// Fills rows (n, 2), and how many cells of each row are known.
    void walk(Index begin, Index end, double* rows, double* n_known) {
        runs_.load(begin, end);
        const bool is_negative = cells_.background_is_negative();
        if (is_negative) {
            at_.resize(static_cast<std::size_t>(runs_.size()));
            shares_.find(runs_.data(), runs_.size(), keys_, at_.data());
        }
        find_truth(begin, end);
        std::size_t k = 0;
        for (Index i = begin; i < end; ++i) {
            PooledShare sum;
            Index known = 0;
            if (is_negative) {
                const Index n = runs_.n_stored(i);
                sum = shares_.sum(at_.data() + runs_.first(i), n);
                known = cells_.labels.n_labels;
                sum.add_times(zero_, known - n);
            }
            const LabelRow truth = cells_.labels.row(i);
            for (Index t = 0; t < truth.size; ++t, ++k) {
                const int value = truth.value(t);
                if (is_negative && value != 0) sum.subtract(shares_.negative(truth_at_[k]));
                if (!is_negative && value == 0) sum.add(shares_.negative(truth_at_[k]));
                if (value == 1) sum.add(shares_.positive(places_[k]));
                known += is_negative ? -(value < 0) : value >= 0;
            }
            rows[2 * i] = shares_.auc(sum);
            rows[2 * i + 1] = shares_.precision(sum);
            n_known[i] = static_cast<double>(known);
        }
    }

  private:
    void find_truth(Index begin, Index end) {
        scores_.clear();
        for (Index i = begin; i < end; ++i) {
            const LabelRow truth = cells_.labels.row(i);
            Index at = 0;
            for (Index t = 0; t < truth.size; ++t) scores_.push_back(runs_.score(i, truth.labels[t], at));
        }
        const auto n = static_cast<Index>(scores_.size());
        places_.resize(scores_.size());
        truth_at_.resize(scores_.size());
        table_.find(scores_.data(), n, places_.data());
        shares_.find(scores_.data(), n, keys_, truth_at_.data());
    }

    const Cells& cells_;
    const PooledShares<Real, Sum>& shares_;
    const KeyTable<Real>& table_;
    ScoreRuns<Stored> runs_;
    PooledShare zero_;
    std::vector<simd::KeyOf<Real>> keys_;
    std::vector<Real> scores_;
    std::vector<std::int32_t> at_, truth_at_, places_;
};

}  // namespace detail

/// Fills out (n_curve_measures) of all cells together and rows (n, 2): the influence of each row, over its weight, on
/// ROC AUC and average precision. Of some ten thousand distinct scores of positives the influences of negatives are
/// rounded: by less than 2^-16 of the sum of squares of all cells' influences.
template <class Sum>
void pooled_influences(const Cells& cells, RowWeights weights, const Team& whole_team, double* out, double* rows) {
    const Index n = cells.labels.n_rows;
    std::fill(rows, rows + 2 * n, 0.0);
    with_pooled_curve<Sum>(
        cells, weights, whole_team, [&](auto stored, const auto& table, const auto& sums, const Curve& curve) {
            using Stored = decltype(stored);
            measure_curve(curve, 1.0, out);
            if (curve.positive <= 0.0) return;
            const detail::PooledShares<RealOf<Stored>, Sum> shares(table, sums, curve);
            const Team team = whole_team.for_work(2 * cells.n_read());
            std::vector<detail::PooledRows<Stored, Sum>> walks(static_cast<std::size_t>(team.n_threads),
                                                               detail::PooledRows<Stored, Sum>(cells, shares, table));
            std::vector<double> n_known(static_cast<std::size_t>(n));
            for_each_range(n, detail::run_rows(cells), team, [&](Index begin, Index end, int thread) {
                walks[static_cast<std::size_t>(thread)].walk(begin, end, rows, n_known.data());
            });
            // influences add up to 0; what rounding has left of the sum is spread over the cells
            double total = 0.0, auc = 0.0, precision = 0.0;
            for (Index i = 0; i < n; ++i) {
                const double w = static_cast<double>(weights[i]);
                total += w * n_known[static_cast<std::size_t>(i)];
                auc += w * rows[2 * i];
                precision += w * rows[2 * i + 1];
            }
            for (Index i = 0; i < n; ++i) {
                const double share = n_known[static_cast<std::size_t>(i)] / total;
                rows[2 * i] -= share * auc;
                rows[2 * i + 1] -= share * precision;
            }
        });
}

}  // namespace mlkit::metrics
