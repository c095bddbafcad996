#pragma once
// Proper scores and the sums behind reliability diagrams: how often cells with such a probability are positive. One
// label at a time; sums are whole numbers, so that labels and cells can come in any order.

#include <algorithm>
#include <cmath>
#include <vector>

#include "mlkit/metrics/columns.hpp"

namespace mlkit::metrics {

/// Sums of numbers up to 64 as whole multiples of 2^-50: any order, the same bits; a term is off by at most 2^-51.
class ExactSum {
  public:
    static std::uint64_t units(double x) { return fixed_point::wide_units(x); }
    void add(double x) { sum_.add(units(x)); }
    void add_units(std::uint64_t n) { sum_.add(n); }
    void add(const ExactSum& other) { sum_.add(other.sum_); }
    /// What n terms of x add up to.
    void add_times(double x, Index n) {
        const std::uint64_t each = units(x), count = static_cast<std::uint64_t>(n);
        sum_.high += static_cast<std::int64_t>((each >> 32) * count);
        sum_.add((each & 0xffffffffu) * count);
    }
    void subtract(double x) {
        WideSum less;
        less.add(units(x));
        sum_ = sum_.minus(less);
    }
    void subtract(const ExactSum& other) { sum_ = sum_.minus(other.sum_); }
    WideSum words() const { return sum_.canonical(); }
    double value() const {
        const WideSum c = words();
        return static_cast<double>(c.high) * 0x1p-18 + static_cast<double>(c.low) * 0x1p-50;
    }

  private:
    WideSum sum_;
};

/// Sums over the known cells of one bin (or one label): weight, weight * p, weight * y, and two losses.
struct BinSums {
    ExactSum weight, probability, positive;

    void add(const BinSums& other) {
        weight.add(other.weight);
        probability.add(other.probability);
        positive.add(other.positive);
    }
};
struct LossSums {
    ExactSum weight, squared, logarithmic;

    void add(const LossSums& other) {
        weight.add(other.weight);
        squared.add(other.squared);
        logarithmic.add(other.logarithmic);
    }
};

/// How probabilities fall into bins: ascending inner edges, one set for all labels or one for each.
struct Bins {
    const double* edges;  ///< (n_sets, n_bins - 1)
    Index n_bins;
    bool by_label;  ///< sums for each label rather than for all together
    bool edges_by_label;
    bool closed_left;  ///< a bin holds its lower edge rather than its upper one

    Index n_groups(Index n_labels) const { return by_label ? n_labels : 1; }
    const double* edges_of(Index label) const { return edges + (edges_by_label ? label * (n_bins - 1) : 0); }
    Index bin(Index label, double p) const {
        const double *begin = edges_of(label), *end = begin + n_bins - 1;
        return (closed_left ? std::upper_bound(begin, end, p) : std::lower_bound(begin, end, p)) - begin;
    }
    /// Whether all edges are multiples of the first, which is 1 / n_bins: then bins can be computed, not searched for.
    bool is_uniform() const {
        if (edges_by_label || n_bins > Index{1} << 20) return false;
        for (Index b = 0; b + 1 < n_bins; ++b)
            if (edges[b] != static_cast<double>(b + 1) * (1.0 / static_cast<double>(n_bins))) return false;
        return true;
    }
};

namespace detail {

/// The cells of a column as probabilities, a block at a time.
constexpr Index probability_block = 256;

template <class Real, class Visit>
void for_each_probability_block(const Column<Real>& column, Visit&& visit) {
    double p[probability_block];
    for (Index begin = 0; begin < column.size; begin += probability_block) {
        const Index n = std::min(probability_block, column.size - begin);
        simd::clamp(column.scores + begin, n, 0.0, 1.0, p);
        visit(begin, n, static_cast<const double*>(p));
    }
}

template <class Real>
double probability(const Column<Real>& column, std::int32_t cell) {
    return std::min(1.0, std::max(0.0, static_cast<double>(column.scores[cell])));
}

/// Weights of the rows, scaled to at most 1, and their sum.
struct ScaledWeights {
    const double* values;
    ExactSum total;

    ScaledWeights(const double* weights, Index n_rows) : values(weights) {
        if (!weights) total.add_times(1.0, n_rows);
        for (Index i = 0; i < n_rows && weights; ++i) total.add(weights[i]);
    }
    double operator[](Index row) const { return values ? values[row] : 1.0; }

    /// Weight of the known cells of a column that have no score.
    template <class Real>
    ExactSum of_zeros(const Column<Real>& column) const {
        ExactSum sum;
        if (!values) {
            sum.add_times(1.0, column.n_zeros);
            return sum;
        }
        if (column.lists_zeros) {
            for (const Numbers* rows : {&column.zero_positive, &column.zero_negative})
                for (const std::int32_t row : *rows) sum.add(values[row]);
            return sum;
        }
        sum = total;
        for (Index k = 0; k < column.size; ++k) sum.subtract(values[column.row(k)]);
        for (const std::int32_t row : column.zero_unknown) sum.subtract(values[row]);
        return sum;
    }
};

/// One thread's bins of one column.
class ColumnBinner {
  public:
    ColumnBinner(const Bins& bins, const ScaledWeights& weights)
        : bins_(bins), weights_(weights), is_uniform_(bins.is_uniform()) {}

    template <class Real>
    void add(const Column<Real>& column, BinSums* sums) {
        const Index label = column.label, zero = bins_.bin(label, 0.0);
        if (!weights_.values)
            add_cells(column, sums);
        else
            for_each_probability_block(column, [&](Index begin, Index n, const double* p) {
                for (Index k = 0; k < n; ++k) {
                    const double w = weights_[column.row(begin + k)];
                    BinSums& to = sums[bins_.bin(label, p[k])];
                    to.weight.add(w);
                    to.probability.add(w * p[k]);
                }
            });
        for (const std::int32_t cell : column.unknown) {
            const double p = probability(column, cell), w = weights_[column.row(cell)];
            BinSums& to = sums[bins_.bin(label, p)];
            to.weight.subtract(w);
            to.probability.subtract(w * p);
        }
        for (const std::int32_t cell : column.positive)
            sums[bins_.bin(label, probability(column, cell))].positive.add(weights_[column.row(cell)]);
        if (column.n_zeros) sums[zero].weight.add(weights_.of_zeros(column));
        for (const std::int32_t row : column.zero_positive) sums[zero].positive.add(weights_[row]);
    }

  private:
    /// Number and sum of a bin's cells in one word each, fourfold so that an addition need not wait for the one before.
    /// Most cells of most labels are in the first bin, which gets what the others leave.
    template <class Real>
    void add_cells(const Column<Real>& column, BinSums* sums) {
        static_assert(probability_block / 4 < 128, "the number has 7 bits");
        constexpr unsigned count_shift = 57;
        const auto n_bins = static_cast<std::size_t>(bins_.n_bins);
        words_.assign(4 * n_bins, 0);
        std::int32_t at[probability_block], listed[probability_block];
        const double step = 1.0 / static_cast<double>(bins_.n_bins);
        for_each_probability_block(column, [&](Index, Index n, const double* p) {
            if (is_uniform_)
                (bins_.closed_left ? simd::bins_closed_left : simd::bins_closed_right)(
                    p, n, step, static_cast<std::int32_t>(bins_.n_bins), at);
            else
                for (Index k = 0; k < n; ++k) at[k] = static_cast<std::int32_t>(bins_.bin(column.label, p[k]));
            Index m = 0;
            for (Index k = 0; k < n; ++k) {
                listed[m] = static_cast<std::int32_t>(k);
                m += at[k] != 0;
            }
            std::uint64_t of_first = simd::sum_fine_units(p, n);
            for (Index i = 0; i < m; ++i) {
                const std::int32_t k = listed[i];
                const std::uint64_t units = fixed_point::fine_units(p[k]);
                words_[static_cast<std::size_t>(i % 4) * n_bins + static_cast<std::size_t>(at[k])] +=
                    (std::uint64_t{1} << count_shift) + units;
                of_first -= units;
            }
            sums[0].weight.add_times(1.0, n - m);
            sums[0].probability.add_units(of_first);
            const auto settle = [&](std::size_t bin) {
                for (std::size_t c = 0; c < 4; ++c) {
                    std::uint64_t& word = words_[c * n_bins + bin];
                    sums[bin].weight.add_times(1.0, static_cast<Index>(word >> count_shift));
                    sums[bin].probability.add_units(word & ((std::uint64_t{1} << count_shift) - 1));
                    word = 0;
                }
            };
            if (static_cast<Index>(n_bins) <= n)
                for (std::size_t b = 0; b < n_bins; ++b) settle(b);
            else
                for (Index i = 0; i < m; ++i) settle(static_cast<std::size_t>(at[listed[i]]));
        });
    }

    Bins bins_;
    const ScaledWeights& weights_;
    bool is_uniform_;
    std::vector<std::uint64_t> words_;
};

/// One thread's losses of one column.
class ColumnLosses {
  public:
    ColumnLosses(double epsilon, const ScaledWeights& weights, Index n_rows) : epsilon_(epsilon), weights_(weights) {
        for (Index i = 0; i < n_rows && weights.values; ++i) all_zero_.add(weights[i] * zero_loss());
    }

    template <class Real>
    void add(const Column<Real>& column, LossSums& sums) const {
        for_each_probability_block(column, [&](Index begin, Index n, const double* p) {
            if (!weights_.values) {
                const simd::LossUnits block = simd::negative_losses(p, epsilon_, n);
                sums.weight.add_times(1.0, n);
                sums.squared.add_units(block.squared);
                sums.logarithmic.add_units(block.logarithmic);
                return;
            }
            for (Index k = 0; k < n; ++k) {
                const double w = weights_[column.row(begin + k)];
                sums.weight.add(w);
                sums.squared.add(w * (p[k] * p[k]));
                sums.logarithmic.add(w * simd::log_loss(1.0 - p[k], epsilon_));
            }
        });
        for (const std::int32_t cell : column.unknown) {
            const double p = probability(column, cell), w = weights_[column.row(cell)];
            sums.weight.subtract(w);
            take_back(p, w, sums);
        }
        for (const std::int32_t cell : column.positive)
            turn_positive(probability(column, cell), weights_[column.row(cell)], sums);
        if (column.n_zeros) add_zeros(column, sums);
        for (const std::int32_t row : column.zero_positive) turn_positive(0.0, weights_[row], sums);
    }

  private:
    double zero_loss() const { return simd::log_loss(1.0, epsilon_); }

    void take_back(double p, double w, LossSums& sums) const {
        sums.squared.subtract(w * (p * p));
        sums.logarithmic.subtract(w * simd::log_loss(1.0 - p, epsilon_));
    }
    void turn_positive(double p, double w, LossSums& sums) const {
        take_back(p, w, sums);
        sums.squared.add(w * ((p - 1.0) * (p - 1.0)));
        sums.logarithmic.add(w * simd::log_loss(p, epsilon_));
    }
    /// Weighted zeros are rounded one by one, as they are where they are stored.
    template <class Real>
    void add_zeros(const Column<Real>& column, LossSums& sums) const {
        const double loss = zero_loss();
        sums.weight.add(weights_.of_zeros(column));
        if (!weights_.values) return sums.logarithmic.add_times(loss, column.n_zeros);
        if (column.lists_zeros) {
            for (const Numbers* rows : {&column.zero_positive, &column.zero_negative})
                for (const std::int32_t row : *rows) sums.logarithmic.add(weights_[row] * loss);
            return;
        }
        sums.logarithmic.add(all_zero_);
        for (Index k = 0; k < column.size; ++k) sums.logarithmic.subtract(weights_[column.row(k)] * loss);
        for (const std::int32_t row : column.zero_unknown) sums.logarithmic.subtract(weights_[row] * loss);
    }

    double epsilon_;
    const ScaledWeights& weights_;
    ExactSum all_zero_;
};

/// Hands every column to what `add(thread, column, sums)` does with the sums of its label, or with those of the thread
/// where all labels are summed up together; `width` sums for each.
template <class Sums, class Add>
std::vector<Sums> sum_columns(const Cells& cells, bool by_label, Index width, const Team& team, Add&& add) {
    const auto n_groups = static_cast<std::size_t>(by_label ? cells.labels.n_labels : team.n_threads);
    std::vector<Sums> sums(n_groups * static_cast<std::size_t>(width));
    with_stored_scores(cells, [&](auto stored) {
        for_each_column_as<decltype(stored)>(cells, team, [&](int thread, const auto& column) {
            add(thread, column, sums.data() + (by_label ? column.label : thread) * width);
        });
    });
    if (by_label) return sums;
    for (std::size_t k = static_cast<std::size_t>(width); k < sums.size(); ++k)
        sums[k % static_cast<std::size_t>(width)].add(sums[k]);
    sums.resize(static_cast<std::size_t>(width));
    return sums;
}

}  // namespace detail

/// Sums of each bin of each group, into (n_groups, n_bins). `weights` are scaled to at most 1, or null.
inline std::vector<BinSums> bin_cells(const Cells& cells, const Bins& bins, const double* weights,
                                      const Team& whole_team) {
    const Team team = whole_team.for_work(4 * cells.n_read());
    const detail::ScaledWeights scaled(weights, cells.labels.n_rows);
    std::vector<detail::ColumnBinner> binners(static_cast<std::size_t>(team.n_threads),
                                              detail::ColumnBinner(bins, scaled));
    return detail::sum_columns<BinSums>(cells, bins.by_label, bins.n_bins, team,
                                        [&](int thread, const auto& column, BinSums* sums) {
                                            binners[static_cast<std::size_t>(thread)].add(column, sums);
                                        });
}

/// Squared and logarithmic loss of each label (or of all together). Probabilities are kept `epsilon` away from 0 and 1
/// in the logarithm.
inline std::vector<LossSums> sum_losses(const Cells& cells, bool by_label, double epsilon, const double* weights,
                                        const Team& whole_team) {
    const Team team = whole_team.for_work(16 * cells.n_read());
    const detail::ScaledWeights scaled(weights, cells.labels.n_rows);
    const detail::ColumnLosses losses(epsilon, scaled, cells.labels.n_rows);
    return detail::sum_columns<LossSums>(cells, by_label, 1, team,
                                         [&](int, const auto& column, LossSums* sums) { losses.add(column, *sums); });
}

enum CalibrationMeasure { label_weight, label_squared, label_logarithmic, label_gaps, n_calibration_measures };

/// Both at once: fills out (n_labels, n_calibration_measures), the last of which is the sum over bins of the absolute
/// difference of probability and truth; returns the bins of all cells together.
inline std::vector<BinSums> calibrate(const Cells& cells, const Bins& bins, double epsilon, const double* weights,
                                      const Team& whole_team, double* out) {
    const Team team = whole_team.for_work(16 * cells.n_read());
    const detail::ScaledWeights scaled(weights, cells.labels.n_rows);
    const detail::ColumnLosses losses(epsilon, scaled, cells.labels.n_rows);
    struct Mine {
        detail::ColumnBinner binner;
        std::vector<BinSums> bins;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads), Mine{detail::ColumnBinner(bins, scaled), {}});
    return detail::sum_columns<BinSums>(cells, false, bins.n_bins, team,
                                        [&](int thread, const auto& column, BinSums* sums) {
                                            Mine& m = mine[static_cast<std::size_t>(thread)];
                                            m.bins.assign(static_cast<std::size_t>(bins.n_bins), BinSums{});
                                            m.binner.add(column, m.bins.data());
                                            LossSums of_label;
                                            losses.add(column, of_label);
                                            double gaps = 0.0;
                                            for (const BinSums& bin : m.bins) {
                                                gaps += std::abs(bin.probability.value() - bin.positive.value());
                                                sums++->add(bin);
                                            }
                                            double* to = out + column.label * n_calibration_measures;
                                            to[label_weight] = of_label.weight.value();
                                            to[label_squared] = of_label.squared.value();
                                            to[label_logarithmic] = of_label.logarithmic.value();
                                            to[label_gaps] = gaps;
                                        });
}

}  // namespace mlkit::metrics
