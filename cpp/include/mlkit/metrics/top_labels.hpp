#pragma once
// The k best-scored known labels of each row, best first, equal scores by label number.

#include <algorithm>
#include <cstdint>

#include "mlkit/core/cells.hpp"

namespace mlkit::metrics {

namespace detail {

/// A row of single precision as it lies in memory.
struct PlainRow {
    const float* p;
    Index size;
};

/// Whether the rows can be read so.
inline bool has_plain_rows(const DenseScores& s) {
    const auto at = reinterpret_cast<std::uintptr_t>(s.data) | static_cast<std::uintptr_t>(s.row_stride);
    return s.real == Real::float32 && s.label_stride == sizeof(float) && !s.clip && at % alignof(float) == 0;
}

class TopSelector {
  public:
    TopSelector(Index n_labels, Background background) : n_labels_(n_labels), background_(background) {}

    template <class Row>
    void select(const LabelRow& labels, const Row& scores, Index k, bool drops_absent, std::int32_t* out) {
        candidates_.clear();
        Index t = 0;
        // ascending label numbers; -1 where the truth is unknown
        const auto value_of = [&](std::int32_t label) {
            while (t < labels.size && labels.labels[t] < label) ++t;
            if (t < labels.size && labels.labels[t] == label) return labels.value(t);
            return background_ == Background::negative ? 0 : -1;
        };
        const auto offer = [&](std::int32_t label, double score) {
            if (static_cast<Index>(candidates_.size()) == k && !(score > candidates_.front().score)) return;
            if (value_of(label) < 0) return;
            if (static_cast<Index>(candidates_.size()) == k) {
                std::pop_heap(candidates_.begin(), candidates_.end(), is_better);
                candidates_.back() = {score, label};
            } else {
                candidates_.push_back({score, label});
            }
            std::push_heap(candidates_.begin(), candidates_.end(), is_better);
        };
        visit_scores(scores, k, drops_absent, value_of, offer);
        std::sort(candidates_.begin(), candidates_.end(), is_better);
        for (Index r = 0; r < k; ++r)
            out[r] = r < static_cast<Index>(candidates_.size()) ? candidates_[static_cast<std::size_t>(r)].label : -1;
    }

  private:
    struct Candidate {
        double score;
        std::int32_t label;
    };
    static bool is_better(const Candidate& a, const Candidate& b) {
        return a.score > b.score || (a.score == b.score && a.label < b.label);
    }

    template <class Row, class ValueOf, class Offer>
    void visit_scores(const Row& row, Index k, bool, ValueOf&&, Offer&& offer) const {
        constexpr Index block = 64;
        for (Index begin = 0; begin < row.size; begin += block) {
            const Index end = std::min(begin + block, row.size);
            if (static_cast<Index>(candidates_.size()) == k && !any_above(row.p, begin, end)) continue;
            for (Index j = begin; j < end; ++j) offer(static_cast<std::int32_t>(j), row.p[j]);
        }
    }
    /// Whether one of the scores is better than the worst candidate, which is one of their type: most blocks have none.
    template <class Real>
    bool any_above(const Real* scores, Index begin, Index end) const {
        const auto least = static_cast<Real>(candidates_.front().score);
        int found = 0;
        for (Index j = begin; j < end; ++j) found |= scores[j] > least;
        return found != 0;
    }
    /// Stored scores, and in between the first k known labels that are not stored: more zeros than that cannot enter.
    template <class ValueOf, class Offer>
    void visit_scores(const SparseRow& row, Index k, bool drops_absent, ValueOf&& value_of, Offer&& offer) const {
        Index n_zeros = drops_absent ? k : 0, next = 0;
        for (Index s = 0; s <= row.size; ++s) {
            const Index end = s < row.size ? row.labels[s] : n_labels_;
            for (; next < end && n_zeros < k; ++next) {
                const auto label = static_cast<std::int32_t>(next);
                if (value_of(label) < 0) continue;
                offer(label, 0.0);
                ++n_zeros;
            }
            if (s < row.size) offer(row.labels[s], row.p[s]);
            next = end + 1;
        }
    }

    Index n_labels_;
    Background background_;
    std::vector<Candidate> candidates_;
};

}  // namespace detail

/// Fills out (n, k), padded with -1. One read of each score; `drops_absent`: unstored labels are never retrieved.
inline void top_labels(const Cells& cells, Index k, bool drops_absent, const Team& whole_team, std::int32_t* out) {
    const Team team = whole_team.for_work(cells.n_read());
    std::vector<detail::TopSelector> selectors(static_cast<std::size_t>(team.n_threads),
                                               detail::TopSelector(cells.labels.n_labels, cells.labels.background));
    const auto* dense = std::get_if<DenseScores>(&cells.scores);
    if (dense && detail::has_plain_rows(*dense)) {
        for_each_range(dense->n_rows, cells.tile_rows(), team, [&](Index begin, Index end, int thread) {
            for (Index i = begin; i < end; ++i) {
                const auto* row = reinterpret_cast<const float*>(dense->data + i * dense->row_stride);
                selectors[static_cast<std::size_t>(thread)].select(
                    cells.labels.row(i), detail::PlainRow{row, dense->n_labels}, k, drops_absent, out + i * k);
            }
        });
        return;
    }
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& scores) {
        selectors[static_cast<std::size_t>(thread)].select(labels, scores, k, drops_absent, out + i * k);
    });
}

}  // namespace mlkit::metrics
