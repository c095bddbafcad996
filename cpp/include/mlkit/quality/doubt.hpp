#pragma once
// Doubted cells: those whose given label the model contradicts. Only they can ever be flagged, and few cells are of
// that kind, so everything that selects starts here.

#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/simd.hpp"

namespace mlkit::quality {

/// A given 0 is doubted from `absent` upwards, a given 1 from `present` downwards; absent > 0, so that a score that is
/// not stored cannot make a given 0 doubtful.
struct DoubtCuts {
    const double* absent;   ///< (labels,)
    const double* present;  ///< (labels,)
};

/// The probability of the given label. A doubted cell's is at most 1/2, where 1 - p is exact.
inline double self_confidence(int given, double p) { return given ? p : 1.0 - p; }

/// visit(label, given, p) for the doubted cells of a row: given 0 ascending, then given 1 ascending (mixed ascending
/// when the background is unknown). One walker per thread: it owns scratch memory.
class DoubtWalker {
  public:
    DoubtWalker(DoubtCuts cuts, Background background) : cuts_(cuts), background_(background) {}

    template <class Row, class Visit>
    void operator()(const LabelRow& labels, const Row& scores, Visit&& visit) {
        if (background_ == Background::negative) {
            gather_absent(labels, scores);
            for (std::size_t k = 0; k < n_hits_; ++k) visit(hits_[k], 0, p_[k]);
            if (!labels.values) {
                gather_present(labels, scores);
                for (std::size_t k = 0; k < n_hits_; ++k) visit(hits_[k], 1, p_[k]);
                return;
            }
        }
        for_each_stored_label(labels, scores, [&](std::int32_t label, int given, double p) {
            if (given ? p <= cuts_.present[label] : p >= cuts_.absent[label]) visit(label, given, p);
        });
    }

  private:
    void resize(Index n) {
        if (static_cast<Index>(hits_.size()) < n) {
            hits_.resize(static_cast<std::size_t>(n));
            p_.resize(static_cast<std::size_t>(n));
        }
    }

    // Doubtful cells come unpredictably: both sides are gathered without branches, then visited.

    void gather_absent(const LabelRow& labels, const DenseRow& row) {
        resize(row.size + 8);
        marks_.resize(static_cast<std::size_t>(row.size) + 8);
        mentioned_.resize(static_cast<std::size_t>(row.size), 0);
        for (Index k = 0; k < labels.size; ++k) mentioned_[static_cast<std::size_t>(labels.labels[k])] = 1;
        const Index n = simd::find_at_least(row.p, cuts_.absent, row.size, marks_.data(), hits_.data());
        std::size_t kept = 0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
            const std::int32_t label = hits_[k];
            hits_[kept] = label;
            p_[kept] = row.p[label];
            kept += !mentioned_[static_cast<std::size_t>(label)];
        }
        n_hits_ = kept;
        for (Index k = 0; k < labels.size; ++k) mentioned_[static_cast<std::size_t>(labels.labels[k])] = 0;
    }
    void gather_absent(const LabelRow& labels, const SparseRow& row) {
        resize(row.size);
        std::size_t kept = 0;
        for_each_unlabelled(labels, row, [&](std::int32_t label, double p) {
            hits_[kept] = label;
            p_[kept] = p;
            kept += p >= cuts_.absent[label];
        });
        n_hits_ = kept;
    }
    template <class Row>
    void gather_present(const LabelRow& labels, const Row& row) {
        resize(labels.size);
        std::size_t kept = 0;
        Index at = 0;
        for (Index k = 0; k < labels.size; ++k) {
            const std::int32_t label = labels.labels[k];
            const double p = score_at(row, label, at);
            hits_[kept] = label;
            p_[kept] = p;
            kept += p <= cuts_.present[label];
        }
        n_hits_ = kept;
    }

    DoubtCuts cuts_;
    Background background_;
    std::vector<std::int32_t> hits_;
    std::vector<double> p_;
    std::vector<std::uint8_t> marks_, mentioned_;
    std::size_t n_hits_ = 0;
};

/// Which cells compete for one budget: those of a label on one side, or of both sides together.
struct Grouping {
    bool pooled = false;
    Index n_groups(Index n_labels) const { return pooled ? n_labels : 2 * n_labels; }
    Index group(std::int32_t label, int given) const { return pooled ? label : 2 * Index{label} + given; }
};

/// Counts of doubted cells by group and bin of self-confidence, bin 0 the least confident. With it the cut of every
/// group is known to a bin, and only the cells of that one bin must be kept to make it exact.
class DoubtHistogram {
  public:
    DoubtHistogram(Index n_labels, DoubtCuts cuts, Grouping grouping, Background background, int n_bins)
        : n_labels_(n_labels), cuts_(cuts), grouping_(grouping), background_(background), n_bins_(n_bins) {}

    /// As many bins as cost at most about a quarter of a byte per cell; one for sparse scores, where the doubted cells
    /// themselves are few.
    static int choose_bins(const Cells& cells, int n_threads) {
        if (std::holds_alternative<SparseScores>(cells.scores)) return 1;
        const Index affordable = cells.labels.n_rows / (4 * 2 * (4 * n_threads + 8));
        int bins = 1;
        while (bins < 512 && 2 * bins <= affordable) bins *= 2;
        return bins;
    }

    int n_bins() const { return n_bins_; }
    Grouping grouping() const { return grouping_; }
    DoubtCuts cuts() const { return cuts_; }
    Background background() const { return background_; }

    int bin(double self_confidence) const {
        const int b = static_cast<int>(self_confidence * (2.0 * n_bins_));
        return std::min(n_bins_ - 1, b);
    }

    /// No self-confidence in bins up to `b` exceeds this; negative when there is no such bin.
    double upper_edge(int b) const { return b < 0 ? -1.0 : (b + 1) / (2.0 * n_bins_); }

    void open(int n_threads) {
        const auto size = static_cast<std::size_t>(grouping_.n_groups(n_labels_) * n_bins_);
        parts_.assign(static_cast<std::size_t>(n_threads), std::vector<std::uint32_t>(size));
        walkers_.assign(static_cast<std::size_t>(n_threads), DoubtWalker(cuts_, background_));
    }
    template <class Row>
    void add(int thread, const LabelRow& labels, const Row& scores) {
        auto& counts = parts_[static_cast<std::size_t>(thread)];
        walkers_[static_cast<std::size_t>(thread)](labels, scores, [&](std::int32_t label, int given, double p) {
            const Index at = grouping_.group(label, given) * n_bins_ + bin(self_confidence(given, p));
            ++counts[static_cast<std::size_t>(at)];
        });
    }
    void close() {
        counts_.assign(parts_.front().size(), 0);
        for (const auto& part : parts_)
            for (std::size_t k = 0; k < part.size(); ++k) counts_[k] += part[k];
        parts_.clear();
        walkers_.clear();
    }

    Index count(Index group, int b) const { return counts_[static_cast<std::size_t>(group * n_bins_ + b)]; }
    Index total(Index group) const {
        Index sum = 0;
        for (int b = 0; b < n_bins_; ++b) sum += count(group, b);
        return sum;
    }

  private:
    Index n_labels_;
    DoubtCuts cuts_;
    Grouping grouping_;
    Background background_;
    int n_bins_;
    std::vector<std::vector<std::uint32_t>> parts_;
    std::vector<Index> counts_;
    std::vector<DoubtWalker> walkers_;
};

/// Fills a histogram in a pass of its own.
inline void fill_histogram(const Cells& cells, DoubtHistogram& histogram, const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    histogram.open(team.n_threads);
    for_each_row(cells, team, [&](int thread, Index, const LabelRow& labels, const auto& scores) {
        histogram.add(thread, labels, scores);
    });
    histogram.close();
}

}  // namespace mlkit::quality
