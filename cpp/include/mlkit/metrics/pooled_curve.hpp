#pragma once
// The curve of all cells of all labels together (micro averages), without sorting them: the distinct scores of the
// positives are sorted, every cell is counted where it falls among them.

#include "mlkit/metrics/curves.hpp"

namespace mlkit::metrics {

namespace detail {

/// Order-preserving bits of a score; -0 is 0.
inline std::uint64_t ordered_bits(double score) {
    const double x = score + 0.0;
    std::uint64_t b;
    std::memcpy(&b, &x, sizeof b);
    return b >> 63 ? ~b : b | 0x8000000000000000u;
}

/// Places a key among ascending distinct keys: 2g + 1 at the g-th, 2g between it and the one below.
class KeyTable {
  public:
    explicit KeyTable(std::vector<std::uint64_t> distinct) : keys_(std::move(distinct)) {
        if (keys_.empty()) return;
        const std::uint64_t range = keys_.back() - keys_.front();
        while ((range >> shift_) >= n_buckets) ++shift_;
        starts_.assign(static_cast<std::size_t>(range >> shift_) + 2, 0);
        for (const std::uint64_t key : keys_) ++starts_[bucket(key) + 1];
        for (std::size_t b = 1; b < starts_.size(); ++b) starts_[b] += starts_[b - 1];
    }

    std::size_t n_keys() const { return keys_.size(); }
    std::size_t n_places() const { return 2 * keys_.size() + 1; }

    std::size_t place(std::uint64_t key) const {
        if (keys_.empty() || key < keys_.front()) return 0;
        if (key > keys_.back()) return 2 * keys_.size();
        const std::size_t b = bucket(key);
        const std::uint64_t* from = keys_.data() + starts_[b];
        const std::uint64_t* to = keys_.data() + starts_[b + 1];
        if (to - from > 8)
            from = std::lower_bound(from, to, key);
        else
            while (from < to && *from < key) ++from;
        const auto g = static_cast<std::size_t>(from - keys_.data());
        return 2 * g + (g < keys_.size() && keys_[g] == key);
    }

    /// The places of n scores, step by step for all of them, so that the reads of one do not wait for those of another.
    void find_places(const double* scores, Index n, std::vector<std::uint64_t>& keys,
                     std::vector<std::uint32_t>& places) const {
        const auto size = static_cast<std::size_t>(n);
        keys.resize(size);
        places.resize(size);
        if (keys_.empty()) {
            std::fill(places.begin(), places.end(), 0u);
            return;
        }
        const std::uint64_t low = keys_.front(), high = keys_.back();
        for (std::size_t k = 0; k < size; ++k) keys[k] = ordered_bits(scores[k]);
        for (std::size_t k = 0; k < size; ++k) {
            const std::uint64_t inside = std::min(std::max(keys[k], low), high);
            places[k] = starts_[bucket(inside)];
        }
        for (std::size_t k = 0; k < size; ++k) {
            const std::uint64_t key = keys[k];
            std::uint32_t g = places[k];
            if (key > high) {
                places[k] = static_cast<std::uint32_t>(2 * keys_.size());
                continue;
            }
            if (keys_[g] < key) {
                const std::uint32_t end = starts_[bucket(key) + 1];
                ++g;
                if (end - g > 8)
                    g = static_cast<std::uint32_t>(std::lower_bound(keys_.data() + g, keys_.data() + end, key) -
                                                   keys_.data());
                else
                    while (g < end && keys_[g] < key) ++g;
            }
            places[k] = 2 * g + (g < keys_.size() && keys_[g] == key);
        }
    }

  private:
    static constexpr std::uint64_t n_buckets = std::uint64_t{1} << 18;
    std::size_t bucket(std::uint64_t key) const { return static_cast<std::size_t>((key - keys_.front()) >> shift_); }
    std::vector<std::uint64_t> keys_;
    std::vector<std::uint32_t> starts_;
    unsigned shift_ = 0;
};

/// visit(label, value, score) for the stored cells of the truth that are not plain negatives of the background.
template <class Visit>
void for_each_truth(const LabelRow& labels, const DenseRow& scores, Visit&& visit) {
    for (Index k = 0; k < labels.size; ++k) visit(labels.value(k), scores.p[labels.labels[k]]);
}
template <class Visit>
void for_each_truth(const LabelRow& labels, const SparseRow& scores, Visit&& visit) {
    Index at = 0;
    for (Index k = 0; k < labels.size; ++k) visit(labels.value(k), score_at(scores, labels.labels[k], at));
}

}  // namespace detail

/// Distinct scores of the known positives, as ordered bits, ascending.
inline std::vector<std::uint64_t> positive_keys(const Cells& cells, const Team& team) {
    std::vector<std::vector<std::uint64_t>> mine(static_cast<std::size_t>(team.n_threads));
    for_each_row(cells, team, [&](int thread, Index, const LabelRow& labels, const auto& scores) {
        auto& keys = mine[static_cast<std::size_t>(thread)];
        detail::for_each_truth(labels, scores, [&](int value, double score) {
            if (value == 1) keys.push_back(detail::ordered_bits(score));
        });
    });
    std::vector<std::uint64_t> all = std::move(mine[0]);
    for (std::size_t t = 1; t < mine.size(); ++t) {
        all.insert(all.end(), mine[t].begin(), mine[t].end());
        mine[t] = {};
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

/// Time of one search in a table for each cell (for each stored one on sparse scores), memory in proportion to the
/// distinct scores of positives.
template <class Sum>
Curve pooled_curve(const Cells& cells, RowWeights weights, const Team& whole_team) {
    const Team team = whole_team.for_work(4 * cells.n_read());
    const detail::KeyTable table(positive_keys(cells, team));
    const std::size_t zero = table.place(detail::ordered_bits(0.0));
    const bool is_negative = cells.background_is_negative();
    struct Mine {
        std::vector<Sum> known, positive;
        std::vector<std::uint64_t> keys;
        std::vector<std::uint32_t> places;
    };
    std::vector<Mine> mine(static_cast<std::size_t>(team.n_threads));
    for (Mine& m : mine) {
        m.known.resize(table.n_places());
        m.positive.resize(table.n_keys());
    }
    for_each_row(cells, team, [&](int thread, Index i, const LabelRow& labels, const auto& scores) {
        Mine& to = mine[static_cast<std::size_t>(thread)];
        const std::uint64_t w = weights[i];
        if (is_negative) {
            table.find_places(scores.p, scores.size, to.keys, to.places);
            for (Index k = 0; k < scores.size; ++k) add_to(to.known[to.places[static_cast<std::size_t>(k)]], w);
            const Index n_unstored = cells.labels.n_labels - scores.size;
            if (n_unstored > 0) {
                Sum unstored{};
                if constexpr (std::is_same_v<Sum, Index>) {
                    unstored = n_unstored;
                } else {  // weight times count, in two words
                    const auto n = static_cast<std::uint64_t>(n_unstored);
                    unstored = {static_cast<std::int64_t>((w >> 32) * n), 0};
                    unstored.add((w & 0xffffffffu) * n);
                }
                add_to(to.known[zero], unstored);
            }
        }
        detail::for_each_truth(labels, scores, [&](int value, double score) {
            const std::size_t place = table.place(detail::ordered_bits(score));
            if (value == 1) add_to(to.positive[place / 2], w);
            if (is_negative && value < 0) {
                if constexpr (std::is_same_v<Sum, Index>)
                    to.known[place] -= static_cast<Index>(w);
                else
                    to.known[place] = to.known[place].minus(
                        Sum{static_cast<std::int64_t>(w >> 32), static_cast<std::int64_t>(w & 0xffffffffu)});
            }
            if (!is_negative && value >= 0) add_to(to.known[place], w);
        });
    });
    for (std::size_t t = 1; t < mine.size(); ++t) {
        for (std::size_t g = 0; g < table.n_places(); ++g) add_to(mine[0].known[g], mine[t].known[g]);
        for (std::size_t g = 0; g < table.n_keys(); ++g) add_to(mine[0].positive[g], mine[t].positive[g]);
    }
    const Mine& total = mine[0];
    Curve curve;
    Sum known{}, positive{};
    for (std::size_t g = table.n_keys(); g-- > 0;) {  // from the highest score down
        add_to(known, total.known[2 * g + 2]);
        add_to(known, total.known[2 * g + 1]);
        add_to(positive, total.positive[g]);
        const double p = in_units(total.positive[g]), all = in_units(total.known[2 * g + 1]);
        if (p > 0.0) curve.points.push_back({p, all - p, in_units(positive), in_units(known) - in_units(positive)});
    }
    add_to(known, total.known[0]);
    curve.positive = in_units(positive);
    curve.negative = in_units(known) - curve.positive;
    return curve;
}

}  // namespace mlkit::metrics
