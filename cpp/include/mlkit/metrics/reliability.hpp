#pragma once
// Proper scores and the sums behind reliability diagrams: how often cells with such a probability are positive.

#include <algorithm>
#include <cmath>
#include <vector>

#include "mlkit/core/cells.hpp"

namespace mlkit::metrics {

/// Sums of numbers up to 64 as whole multiples of 2^-50: any order, the same bits; a term is off by at most 2^-51.
class ExactSum {
  public:
    void add(double x) { sum_.add(static_cast<std::uint64_t>(x * 0x1p50 + 0.5)); }
    void add(const ExactSum& other) { sum_.add(other.sum_); }
    /// What n terms of x add up to.
    void add_times(double x, Index n) {
        const auto units = static_cast<std::uint64_t>(x * 0x1p50 + 0.5), count = static_cast<std::uint64_t>(n);
        sum_.high += static_cast<std::int64_t>((units >> 32) * count);
        sum_.add((units & 0xffffffffu) * count);
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
};
struct LossSums {
    ExactSum weight, squared, logarithmic;
};

/// How probabilities fall into bins: ascending inner edges, one set for all labels or one for each.
struct Bins {
    const double* edges;  ///< (n_sets, n_bins - 1)
    Index n_bins;
    bool by_label;  ///< sums for each label rather than for all together
    bool edges_by_label;
    bool closed_left;  ///< a bin holds its lower edge rather than its upper one

    Index n_groups(Index n_labels) const { return by_label ? n_labels : 1; }
    Index bin(Index label, double p) const {
        const double* of = edges + (edges_by_label ? label * (n_bins - 1) : 0);
        const double* found =
            closed_left ? std::upper_bound(of, of + n_bins - 1, p) : std::lower_bound(of, of + n_bins - 1, p);
        return found - of;
    }
};

namespace detail {

/// visit(label, y, p, n) for all known cells of a row. Of the zeros that neither truth nor a sparse row stores there
/// is one visit with label -1 and their number n; with `by_label` there is none, but unknown cells come too, y < 0, so
/// that the visitor can tell for which labels this row was silent.
template <class Visit>
void for_each_known_cell(const LabelRow& labels, const DenseRow& scores, Background background, Index, bool,
                         Visit&& visit) {
    if (background == Background::unknown) {
        for (Index k = 0; k < labels.size; ++k)
            if (labels.value(k) >= 0) visit(labels.labels[k], labels.value(k), scores.p[labels.labels[k]], Index{1});
        return;
    }
    Index at = 0;
    for (Index j = 0; j < scores.size; ++j) {
        int y = 0;
        if (at < labels.size && labels.labels[at] == j) y = labels.value(at++);
        if (y >= 0) visit(static_cast<std::int32_t>(j), y, scores.p[j], Index{1});
    }
}
template <class Visit>
void for_each_known_cell(const LabelRow& labels, const SparseRow& scores, Background background, Index n_labels,
                         bool by_label, Visit&& visit) {
    if (background == Background::unknown) {
        for_each_stored_label(labels, scores, [&](std::int32_t j, int y, double p) { visit(j, y, p, Index{1}); });
        return;
    }
    Index t = 0, s = 0, n_seen = 0;
    while (t < labels.size || s < scores.size) {
        const bool from_labels = s >= scores.size || (t < labels.size && labels.labels[t] <= scores.labels[s]);
        const std::int32_t j = from_labels ? labels.labels[t] : scores.labels[s];
        const bool is_scored = s < scores.size && scores.labels[s] == j;
        const int y = from_labels ? labels.value(t) : 0;
        if (y >= 0 || by_label) visit(j, y, is_scored ? scores.p[s] : 0.0, Index{1});
        ++n_seen;
        t += from_labels;
        s += is_scored;
    }
    if (!by_label && n_labels > n_seen) visit(-1, 0, 0.0, n_labels - n_seen);
}

}  // namespace detail

namespace detail {

/// Weight (and loss) of the zeros that are stored nowhere, by label: that of all rows less that of the rows which
/// speak.
struct Silence {
    ExactSum weight, loss;
    std::vector<ExactSum> spoken_weight, spoken_loss;

    explicit Silence(std::size_t n_labels) : spoken_weight(n_labels), spoken_loss(n_labels) {}

    void add_row(double w, double l) { weight.add(w), loss.add(l); }
    void speak(std::int32_t label, double w, double l) {
        spoken_weight[static_cast<std::size_t>(label)].add(w);
        spoken_loss[static_cast<std::size_t>(label)].add(l);
    }
    void merge(const Silence& other) {
        weight.add(other.weight);
        loss.add(other.loss);
        for (std::size_t j = 0; j < spoken_weight.size(); ++j) {
            spoken_weight[j].add(other.spoken_weight[j]);
            spoken_loss[j].add(other.spoken_loss[j]);
        }
    }
    ExactSum weight_of(std::size_t label) const { return less(weight, spoken_weight[label]); }
    ExactSum loss_of(std::size_t label) const { return less(loss, spoken_loss[label]); }

  private:
    static ExactSum less(ExactSum all, const ExactSum& part) {
        all.subtract(part);
        return all;
    }
};

inline bool leaves_labels_silent(const Cells& cells, bool by_label) {
    return by_label && std::holds_alternative<SparseScores>(cells.scores) && cells.background_is_negative();
}

}  // namespace detail

/// Sums of each bin of each group, into (n_groups, n_bins). `weights` are scaled to at most 1, or null.
inline std::vector<BinSums> bin_cells(const Cells& cells, const Bins& bins, const double* weights,
                                      const Team& whole_team) {
    const Team team = whole_team.for_work(4 * cells.n_read());
    const Index n_labels = cells.labels.n_labels;
    const auto n = static_cast<std::size_t>(bins.n_groups(n_labels) * bins.n_bins);
    const bool some_silent = detail::leaves_labels_silent(cells, bins.by_label);
    const std::size_t n_silent = some_silent ? static_cast<std::size_t>(n_labels) : 0;
    struct Mine {
        std::vector<BinSums> sums;
        detail::Silence silence;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads),
                           Mine{std::vector<BinSums>(n), detail::Silence(n_silent)});
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& scores) {
        Mine& to = mine[static_cast<std::size_t>(thread)];
        const double w = weights ? weights[i] : 1.0;
        if (some_silent) to.silence.add_row(w, 0.0);
        detail::for_each_known_cell(labels, scores, cells.labels.background, n_labels, bins.by_label,
                                    [&](std::int32_t label, int y, double p, Index count) {
                                        if (some_silent) to.silence.speak(label, w, 0.0);
                                        if (y < 0) return;
                                        const Index of = std::max<Index>(label, 0);
                                        const Index at = (bins.by_label ? of * bins.n_bins : 0) + bins.bin(of, p);
                                        BinSums& sums = to.sums[static_cast<std::size_t>(at)];
                                        if (label < 0) {
                                            sums.weight.add_times(w, count);
                                            return;
                                        }
                                        sums.weight.add(w);
                                        sums.probability.add(w * p);
                                        if (y) sums.positive.add(w);
                                    });
    });
    for (std::size_t t = 1; t < mine.size(); ++t) {
        for (std::size_t b = 0; b < n; ++b) {
            mine[0].sums[b].weight.add(mine[t].sums[b].weight);
            mine[0].sums[b].probability.add(mine[t].sums[b].probability);
            mine[0].sums[b].positive.add(mine[t].sums[b].positive);
        }
        mine[0].silence.merge(mine[t].silence);
    }
    for (std::size_t j = 0; j < n_silent; ++j) {
        const auto at = static_cast<Index>(j) * bins.n_bins + bins.bin(static_cast<Index>(j), 0.0);
        mine[0].sums[static_cast<std::size_t>(at)].weight.add(mine[0].silence.weight_of(j));
    }
    return std::move(mine[0].sums);
}

/// Squared and logarithmic loss of each label (or of all together). Probabilities are kept `epsilon` away from 0 and 1
/// in the logarithm.
inline std::vector<LossSums> sum_losses(const Cells& cells, bool by_label, double epsilon, const double* weights,
                                        const Team& whole_team) {
    const Team team = whole_team.for_work(16 * cells.n_read());
    const Index n_labels = cells.labels.n_labels;
    const std::size_t n = by_label ? static_cast<std::size_t>(n_labels) : 1;
    const double zero_loss = -std::log1p(-epsilon);
    const bool some_silent = detail::leaves_labels_silent(cells, by_label);
    const std::size_t n_silent = some_silent ? n : 0;
    struct Mine {
        std::vector<LossSums> sums;
        detail::Silence silence;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads),
                           Mine{std::vector<LossSums>(n), detail::Silence(n_silent)});
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& scores) {
        Mine& to = mine[static_cast<std::size_t>(thread)];
        const double w = weights ? weights[i] : 1.0;
        if (some_silent) to.silence.add_row(w, w * zero_loss);
        detail::for_each_known_cell(labels, scores, cells.labels.background, n_labels, by_label,
                                    [&](std::int32_t label, int y, double p, Index count) {
                                        if (some_silent) to.silence.speak(label, w, w * zero_loss);
                                        if (y < 0) return;
                                        LossSums& sums = to.sums[by_label ? static_cast<std::size_t>(label) : 0];
                                        if (label < 0) {
                                            sums.weight.add_times(w, count);
                                            sums.logarithmic.add_times(w * zero_loss, count);
                                            return;
                                        }
                                        const double inside = std::min(std::max(p, epsilon), 1.0 - epsilon);
                                        sums.weight.add(w);
                                        sums.squared.add(w * ((p - y) * (p - y)));
                                        sums.logarithmic.add(w * -(y ? std::log(inside) : std::log1p(-inside)));
                                    });
    });
    for (std::size_t t = 1; t < mine.size(); ++t) {
        for (std::size_t b = 0; b < n; ++b) {
            mine[0].sums[b].weight.add(mine[t].sums[b].weight);
            mine[0].sums[b].squared.add(mine[t].sums[b].squared);
            mine[0].sums[b].logarithmic.add(mine[t].sums[b].logarithmic);
        }
        mine[0].silence.merge(mine[t].silence);
    }
    for (std::size_t j = 0; j < n_silent; ++j) {
        mine[0].sums[j].weight.add(mine[0].silence.weight_of(j));
        mine[0].sums[j].logarithmic.add(mine[0].silence.loss_of(j));
    }
    return std::move(mine[0].sums);
}

}  // namespace mlkit::metrics
