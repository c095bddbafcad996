#pragma once
// Doubted cells: those whose given label the model contradicts. Only they can ever be flagged, and few cells are of
// that kind, so everything that selects starts here.

#include <vector>

#include "mlkit/core/simd.hpp"
#include "mlkit/core/strips.hpp"

namespace mlkit::quality {

/// A given 0 is doubted from `absent` upwards, a given 1 from `present` downwards; absent > 0, so that a score that is
/// not stored cannot make a given 0 doubtful.
struct DoubtCuts {
    const double* absent;   ///< (labels,)
    const double* present;  ///< (labels,)
};

/// The probability of the given label. A doubted cell's is at most 1/2, where 1 - p is exact.
inline double self_confidence(int given, double p) { return given ? p : 1.0 - p; }

/// Walks over doubted cells. One per thread: it owns scratch memory.
class DoubtWalker {
  public:
    DoubtWalker(const Cells& cells, DoubtCuts cuts)
        : n_labels_(cells.labels.n_labels),
          background_(cells.labels.background),
          cuts_(cuts),
          absent_(repeated(cuts.absent, cells)) {}

    /// visit(row, label, given, p) for the doubted cells of a strip: those that no array mentions, by row and label,
    /// then stored ones, by row and label.
    template <class Row, class Visit>
    void operator()(const Strip<Row>& strip, Visit&& visit) {
        if (background_ == Background::negative) visit_absent(strip, visit);
        visit_stored(strip.first, strip.stored, visit);
    }

  private:
    // Doubted cells come unpredictably: they are gathered without branches, then visited.

    template <class Visit>
    void visit_absent(const Strip<DenseRow>& strip, Visit&& visit) {
        const DenseRow& scores = strip.scores;
        make_room(scores.size + 8);
        marks_.resize(absent_.size() + 8);
        simd::mark_at_least(scores.p, absent_.data(), scores.size, marks_.data());
        for (Index k = 0; k < strip.stored.size; ++k) marks_[static_cast<std::size_t>(strip.stored.places[k])] = 0;
        const Index n = simd::find_marked(marks_.data(), scores.size, hits_.data());
        Index row = strip.first, begin = 0;
        for (Index k = 0; k < n; ++k) {
            const Index at = hits_[static_cast<std::size_t>(k)];
            for (; at >= begin + n_labels_; begin += n_labels_) ++row;
            visit(row, static_cast<std::int32_t>(at - begin), 0, scores.p[at]);
        }
    }
    template <class Visit>
    void visit_absent(const Strip<SparseRow>& strip, Visit&& visit) {
        const SparseRow& scores = strip.scores;
        make_room(scores.size);
        const std::int32_t *stored = strip.stored.labels, *const end = stored + strip.stored.size;
        std::size_t n = 0;
        for (Index c = 0; c < scores.size; ++c) {
            const std::int32_t label = scores.labels[c];
            while (stored != end && *stored < label) ++stored;
            hits_[n] = static_cast<std::int32_t>(c);
            n += (stored == end || *stored != label) & (scores.p[c] >= cuts_.absent[label]);
        }
        for (std::size_t k = 0; k < n; ++k) visit(strip.first, scores.labels[hits_[k]], 0, scores.p[hits_[k]]);
    }
    template <class Visit>
    void visit_stored(Index first, const StoredCells& stored, Visit&& visit) {
        make_room(stored.size);
        std::size_t n = 0;
        for (Index k = 0; k < stored.size; ++k) {
            const std::int32_t label = stored.labels[k];
            const int given = stored.value(k);
            hits_[n] = static_cast<std::int32_t>(k);
            n += ((given > 0) & (stored.p[k] <= cuts_.present[label])) |
                 ((given == 0) & (stored.p[k] >= cuts_.absent[label]));
        }
        for (std::size_t h = 0; h < n; ++h) {
            const std::int32_t k = hits_[h];
            const auto row = static_cast<std::uint32_t>(stored.places[k]) / static_cast<std::uint32_t>(n_labels_);
            visit(first + row, stored.labels[k], stored.value(k), stored.p[k]);
        }
    }
    void make_room(Index n) {
        if (static_cast<Index>(hits_.size()) < n) hits_.resize(static_cast<std::size_t>(n));
    }

    Index n_labels_;
    Background background_;
    DoubtCuts cuts_;
    std::vector<double> absent_;  // by row of the strip and label
    std::vector<std::int32_t> hits_;
    std::vector<std::uint8_t> marks_;
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
    DoubtHistogram(Index n_labels, DoubtCuts cuts, Grouping grouping, int n_bins)
        : n_labels_(n_labels), cuts_(cuts), grouping_(grouping), n_bins_(n_bins) {}

    /// As many bins as cost at most about a quarter of a byte per cell that is read.
    static int choose_bins(const Cells& cells, int n_threads) {
        const Index groups = 2 * std::max<Index>(1, cells.labels.n_labels);
        const Index affordable = cells.n_read() / (4 * groups * (4 * n_threads + 8));
        int bins = 1;
        while (bins < 512 && 2 * bins <= affordable) bins *= 2;
        return bins;
    }

    int n_bins() const { return n_bins_; }
    Grouping grouping() const { return grouping_; }
    DoubtCuts cuts() const { return cuts_; }

    int bin(double self_confidence) const {
        const int b = static_cast<int>(self_confidence * (2.0 * n_bins_));
        return std::min(n_bins_ - 1, b);
    }

    /// No self-confidence in bins up to `b` exceeds this; negative when there is no such bin.
    double upper_edge(int b) const { return b < 0 ? -1.0 : (b + 1) / (2.0 * n_bins_); }

    void open(const Cells& cells, int n_threads) {
        const auto size = static_cast<std::size_t>(grouping_.n_groups(n_labels_) * n_bins_);
        parts_.assign(static_cast<std::size_t>(n_threads), std::vector<std::uint32_t>(size));
        walkers_.assign(static_cast<std::size_t>(n_threads), DoubtWalker(cells, cuts_));
    }
    template <class Row>
    void add(int thread, const Strip<Row>& strip) {
        auto& counts = parts_[static_cast<std::size_t>(thread)];
        walkers_[static_cast<std::size_t>(thread)](strip, [&](Index, std::int32_t label, int given, double p) {
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
    int n_bins_;
    std::vector<std::vector<std::uint32_t>> parts_;
    std::vector<Index> counts_;
    std::vector<DoubtWalker> walkers_;
};

/// Fills a histogram in a pass of its own.
inline void fill_histogram(const Cells& cells, DoubtHistogram& histogram, const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    histogram.open(cells, team.n_threads);
    for_each_strip(cells, team, [&](int thread, const auto& strip) { histogram.add(thread, strip); });
    histogram.close();
}

}  // namespace mlkit::quality
