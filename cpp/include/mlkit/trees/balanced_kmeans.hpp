#pragma once
// Balanced spherical k-means: clusters whose sizes differ by at most one, alone or as the levels of a tree.
//
// Centres are sums of unit vectors in fixed point (whole multiples of 2^-40), so that moving a vector from one centre
// to another is exact, and only those that move are touched. Two clusters are cut in the middle of the vectors sorted
// by the difference of similarities, which is the best balanced assignment (Prabhu et al., "Parabel", WWW 2018). More
// clusters fill by eviction: a full cluster gives up the member that suits it least (Tsoumakas et al., "HOMER", 2008),
// and as many clusters as the sizes require may hold one more than the others.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/rng.hpp"
#include "mlkit/trees/sparse_rows.hpp"

namespace mlkit::trees {

/// Size of cluster `c` when n items are shared among k: the first n mod k get one more.
inline Index share_of(Index n, Index k, Index c) { return n / k + (c < n % k); }

namespace detail {

/// Sums of unit vectors that do not depend on the order of the terms.
class Centre {
  public:
    explicit Centre(Index n_features) : units_(static_cast<std::size_t>(n_features), 0) {}

    void add(const FeatureRow& x, int sign) {
        for (Index k = 0; k < x.size; ++k)
            units_[static_cast<std::size_t>(x.features[k])] +=
                sign * static_cast<std::int64_t>(std::llrint(static_cast<double>(x.values[k]) * 0x1p40));
    }
    /// Adds `factor` times the normalised sum to `out` on the features that can be other than 0; a zero sum adds 0.
    void add_direction(const std::vector<std::int32_t>& features, double factor, double* out) const {
        double squares = 0.0;
        for (const std::int32_t f : features) {
            const auto u = static_cast<double>(units_[static_cast<std::size_t>(f)]);
            squares += u * u;
        }
        if (squares <= 0.0) return;
        const double scale = factor / std::sqrt(squares);
        for (const std::int32_t f : features)
            out[f] += scale * static_cast<double>(units_[static_cast<std::size_t>(f)]);
    }
    void clear(const std::vector<std::int32_t>& features) {
        for (const std::int32_t f : features) units_[static_cast<std::size_t>(f)] = 0;
    }

  private:
    std::vector<std::int64_t> units_;
};

}  // namespace detail

/// Splits sets of vectors; one for each thread.
class BalancedSplitter {
  public:
    BalancedSplitter(const SparseRows& vectors, Index max_iter)
        : vectors_(vectors), max_iter_(max_iter), is_touched_(static_cast<std::size_t>(vectors.n_features), 0) {}

    /// Reorders `items` so that the k clusters follow one another, sizes as `share_of` says, items ascending in each.
    /// Returns the number of iterations. Scores are computed by `team`.
    Index split(std::int32_t* items, Index n, Index k, Random random, const Team& team) {
        std::sort(items, items + n);
        touch(items, n);
        make_room(k);
        cluster_.assign(static_cast<std::size_t>(n), -1);
        Lookout lookout(team);
        choose_first_centres(items, n, k, random, team, lookout);
        bool is_seeded = true;
        Index iteration = 0;
        while (iteration < max_iter_) {
            ++iteration;
            lookout.look(0);
            score(items, n, k, team);
            std::vector<std::int32_t> next = k == 2 ? halves(n) : fill(n, k, random);
            if (is_seeded)
                for (Index c = 0; c < k; ++c) centres_[static_cast<std::size_t>(c)].clear(touched_);
            is_seeded = false;
            bool has_moved = false;
            for (Index i = 0; i < n; ++i) {
                const std::int32_t from = cluster_[static_cast<std::size_t>(i)], to = next[static_cast<std::size_t>(i)];
                if (from == to) continue;
                has_moved = true;
                const FeatureRow x = vectors_.row(items[i]);
                if (from >= 0) centres_[static_cast<std::size_t>(from)].add(x, -1);
                centres_[static_cast<std::size_t>(to)].add(x, 1);
            }
            cluster_ = std::move(next);
            if (!has_moved) break;
        }
        for (Index c = 0; c < k; ++c) centres_[static_cast<std::size_t>(c)].clear(touched_);
        arrange(items, n, k);
        return iteration;
    }

  private:
    void make_room(Index k) {
        while (static_cast<Index>(centres_.size()) < k) {
            centres_.emplace_back(vectors_.n_features);
            directions_.emplace_back(static_cast<std::size_t>(vectors_.n_features), 0.0);
        }
    }
    void touch(const std::int32_t* items, Index n) {
        touched_.clear();
        for (Index i = 0; i < n; ++i) {
            const FeatureRow x = vectors_.row(items[i]);
            for (Index k = 0; k < x.size; ++k)
                if (!is_touched_[static_cast<std::size_t>(x.features[k])]) {
                    is_touched_[static_cast<std::size_t>(x.features[k])] = 1;
                    touched_.push_back(x.features[k]);
                }
        }
        for (const std::int32_t f : touched_) is_touched_[static_cast<std::size_t>(f)] = 0;
    }

    /// k distinct items, each chosen with a probability that grows with its distance (1 - cosine) from those chosen
    /// before (Arthur, Vassilvitskii, "k-means++", SODA 2007): equal items are hardly ever chosen together.
    void choose_first_centres(const std::int32_t* items, Index n, Index k, Random& random, const Team& team,
                              Lookout& lookout) {
        std::vector<double> distance(static_cast<std::size_t>(n), 2.0);
        std::vector<std::uint8_t> is_chosen(static_cast<std::size_t>(n), 0);
        Index last = random.below(static_cast<std::uint32_t>(n));
        for (Index c = 0;; ++c) {
            const FeatureRow centre = vectors_.row(items[last]);
            is_chosen[static_cast<std::size_t>(last)] = 1;
            centres_[static_cast<std::size_t>(c)].add(centre, 1);
            if (c + 1 == k) return;
            lookout.look(0);
            std::vector<double>& direction = directions_[0];
            add_scaled(1.0, centre, direction.data());
            for_each_range(n, 1024, team, [&](Index begin, Index end, int) {
                for (Index i = begin; i < end; ++i) {
                    double& d = distance[static_cast<std::size_t>(i)];
                    d = is_chosen[static_cast<std::size_t>(i)]
                            ? 0.0
                            : std::max(0.0, std::min(d, 1.0 - dot(vectors_.row(items[i]), direction.data())));
                }
            });
            for (Index f = 0; f < centre.size; ++f) direction[static_cast<std::size_t>(centre.features[f])] = 0.0;
            const double total = std::accumulate(distance.begin(), distance.end(), 0.0);
            double left = total * random.unit();
            last = -1;
            for (Index i = 0; i < n && total > 1e-9; ++i) {
                if (distance[static_cast<std::size_t>(i)] <= 0.0) continue;
                last = i;
                left -= distance[static_cast<std::size_t>(i)];
                if (left < 0.0) break;
            }
            if (last < 0)  // nothing is far from anything
                last = std::find(is_chosen.begin(), is_chosen.end(), 0) - is_chosen.begin();
        }
    }

    /// Similarities to all centres; for two clusters their difference alone.
    void score(const std::int32_t* items, Index n, Index k, const Team& team) {
        const Index columns = k == 2 ? 1 : k;
        scores_.resize(static_cast<std::size_t>(n * columns));
        for (Index c = 0; c < k; ++c)
            centres_[static_cast<std::size_t>(c)].add_direction(
                touched_, k == 2 && c == 0 ? -1.0 : 1.0, directions_[static_cast<std::size_t>(k == 2 ? 0 : c)].data());
        for_each_range(n, 1024, team, [&](Index begin, Index end, int) {
            for (Index i = begin; i < end; ++i)
                for (Index c = 0; c < columns; ++c)
                    scores_[static_cast<std::size_t>(i * columns + c)] =
                        dot(vectors_.row(items[i]), directions_[static_cast<std::size_t>(c)].data());
        });
        for (Index c = 0; c < columns; ++c)
            for (const std::int32_t f : touched_)
                directions_[static_cast<std::size_t>(c)][static_cast<std::size_t>(f)] = 0.0;
    }

    std::vector<std::int32_t> halves(Index n) const {
        std::vector<std::int32_t> order(static_cast<std::size_t>(n));
        std::iota(order.begin(), order.end(), 0);
        auto middle = order.begin() + n / 2;
        std::nth_element(order.begin(), middle, order.end(), [&](std::int32_t a, std::int32_t b) {
            const double x = scores_[static_cast<std::size_t>(a)], y = scores_[static_cast<std::size_t>(b)];
            return x != y ? x < y : a < b;
        });
        if (n % 2 == 1 && scores_[static_cast<std::size_t>(*middle)] <= 0.0) ++middle;  // where it suits better
        std::vector<std::int32_t> side(static_cast<std::size_t>(n), 1);
        for (auto at = order.begin(); at != middle; ++at) side[static_cast<std::size_t>(*at)] = 0;
        return side;
    }

    std::vector<std::int32_t> fill(Index n, Index k, Random& random) const {
        const auto similarity = [&](std::int32_t i, Index c) { return scores_[static_cast<std::size_t>(i * k + c)]; };
        std::vector<std::int32_t> order(static_cast<std::size_t>(n));
        std::iota(order.begin(), order.end(), 0);
        random.shuffle(order.data(), n);
        std::vector<std::vector<std::int32_t>> members(static_cast<std::size_t>(k));
        std::vector<std::uint8_t> is_closed(static_cast<std::size_t>(n * k), 0);
        std::vector<std::uint8_t> is_larger(static_cast<std::size_t>(k), 0);
        Index n_larger = n % k;
        for (std::int32_t item : order) {
            for (;;) {
                Index best = -1;
                for (Index c = 0; c < k; ++c)
                    if (!is_closed[static_cast<std::size_t>(item * k + c)] &&
                        (best < 0 || similarity(item, c) > similarity(item, best)))
                        best = c;
                auto& heap = members[static_cast<std::size_t>(best)];
                const auto suits_better = [&](std::int32_t a, std::int32_t b) {  // the least suitable is at the front
                    const double x = similarity(a, best), y = similarity(b, best);
                    return x != y ? x > y : a < b;
                };
                heap.push_back(item);
                std::push_heap(heap.begin(), heap.end(), suits_better);
                const auto size = static_cast<Index>(heap.size());
                if (size <= n / k) break;
                if (size == n / k + 1 && n_larger > 0) {
                    --n_larger;
                    is_larger[static_cast<std::size_t>(best)] = 1;
                    break;
                }
                if (size == n / k + 1 && is_larger[static_cast<std::size_t>(best)]) break;
                std::pop_heap(heap.begin(), heap.end(), suits_better);
                item = heap.back();
                heap.pop_back();
                is_closed[static_cast<std::size_t>(item * k + best)] = 1;
            }
        }
        std::vector<std::int32_t> cluster(static_cast<std::size_t>(n));
        for (Index c = 0; c < k; ++c)
            for (const std::int32_t i : members[static_cast<std::size_t>(c)])
                cluster[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(c);
        return cluster;
    }

    /// Larger clusters come first, as `share_of` numbers them; otherwise clusters keep their order.
    void arrange(std::int32_t* items, Index n, Index k) const {
        std::vector<std::vector<std::int32_t>> members(static_cast<std::size_t>(k));
        for (Index i = 0; i < n; ++i)
            members[static_cast<std::size_t>(cluster_[static_cast<std::size_t>(i)])].push_back(items[i]);
        std::stable_sort(members.begin(), members.end(),
                         [](const auto& a, const auto& b) { return a.size() > b.size(); });
        for (const auto& cluster : members) items = std::copy(cluster.begin(), cluster.end(), items);
    }

    const SparseRows& vectors_;
    Index max_iter_;
    std::vector<std::uint8_t> is_touched_;
    std::vector<std::int32_t> touched_, cluster_;
    std::vector<detail::Centre> centres_;
    std::vector<std::vector<double>> directions_;
    std::vector<double> scores_;
};

/// The vectors' numbers in the order of a tree's leaves: sets of more than `max_leaf` are split into `arity`, level by
/// level. Which slices the nodes own follows from sizes alone (`share_of`).
inline std::vector<std::int32_t> balanced_tree_order(const SparseRows& vectors, Index arity, Index max_leaf,
                                                     Index max_iter, std::uint64_t seed, const Team& whole_team) {
    struct Slice {
        Index begin, end;
    };
    std::vector<std::int32_t> order(static_cast<std::size_t>(vectors.n_rows));
    std::iota(order.begin(), order.end(), 0);
    const Team team = whole_team.for_work(vectors.n_stored() * max_iter);
    std::vector<BalancedSplitter> splitters(static_cast<std::size_t>(team.n_threads),
                                            BalancedSplitter(vectors, max_iter));
    std::uint64_t first_node = 0;
    for (std::vector<Slice> level{{0, vectors.n_rows}}; !level.empty();) {
        std::vector<Slice> large;
        for (const Slice& s : level)
            if (s.end - s.begin > max_leaf) large.push_back(s);
        const auto split = [&](Index node, int thread, const Team& helpers) {
            const Slice& s = large[static_cast<std::size_t>(node)];
            const Index n = s.end - s.begin;
            splitters[static_cast<std::size_t>(thread)].split(
                order.data() + s.begin, n, std::min(arity, n),
                Random(seed, first_node + static_cast<std::uint64_t>(node)), helpers);
        };
        const auto n_large = static_cast<Index>(large.size());
        if (n_large < team.n_threads) {  // near the root: one node after the other, its vectors shared among threads
            for (Index node = 0; node < n_large; ++node) split(node, 0, team);
        } else {
            for_each_block(n_large, team, [&](Index node, int thread) { split(node, thread, Team{1, {}}); });
        }
        first_node += large.size();
        level.clear();
        for (const Slice& s : large) {
            const Index n = s.end - s.begin, k = std::min(arity, n);
            for (Index c = 0, at = s.begin; c < k; ++c) {
                const Index size = share_of(n, k, c);
                level.push_back({at, at + size});
                at += size;
            }
        }
    }
    return order;
}

}  // namespace mlkit::trees
