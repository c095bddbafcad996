#pragma once
// Scores of nodes and labels for blocks of examples, level by level. All examples that reach a node are served
// together, so that the node's weights are looked up while they are in cache; what an example gets does not depend on
// its company.

#include <algorithm>
#include <cmath>
#include <vector>

#include "mlkit/trees/linear.hpp"
#include "mlkit/trees/tree_model.hpp"

namespace mlkit::trees {

/// A trained tree: its shape, the models, and how margins become scores.
struct TrainedTree {
    TreeView tree;
    ModelView model;
    std::vector<std::int32_t> position;  ///< of each label in label_order
};

/// Logarithm of the score of one model: of exp(-max(0, 1 - m)^2), or of the logistic function.
inline double log_score(Loss loss, double margin) {
    if (loss == Loss::log) return margin < 0.0 ? margin - std::log1p(std::exp(margin)) : -std::log1p(std::exp(-margin));
    const double short_of = std::max(0.0, 1.0 - margin);
    return -short_of * short_of;
}

/// An example that has reached a node; `path` is the logarithm of the product of scores so far.
struct Visit {
    std::int32_t row;  ///< within the block
    std::int32_t node;
    double path;
};

/// One thread's walker.
class TreeWalker {
  public:
    TreeWalker(const SparseRows& x, Loss loss)
        : x_(x), loss_(loss), place_(static_cast<std::size_t>(x.n_features), -1) {}

    /// Walks from the root. After each level keep(visits) may drop some (they come in any order, with those that have
    /// reached a leaf earlier); at the end emit(row, position of the label, path, margin) for each label of the leaves.
    template <class Keep, class Emit>
    void walk(const TrainedTree& trained, Index begin, Index end, Keep&& keep, Emit&& emit) {
        const TreeView& tree = trained.tree;
        visits_.clear();
        for (Index i = begin; i < end; ++i) visits_.push_back({static_cast<std::int32_t>(i - begin), 0, 0.0});
        for (;;) {
            next_.clear();
            open_.clear();
            for (const Visit& v : visits_) (tree.is_leaf(v.node) ? next_ : open_).push_back(v);
            if (open_.empty()) break;
            for_each_node(trained, begin, open_, [&](const Visit& visit, const double* sums, Index n) {
                for (Index c = 0; c < n; ++c) {
                    const std::int32_t child = tree.first_child[visit.node] + static_cast<std::int32_t>(c);
                    const double margin = sums[c] + static_cast<double>(trained.model.node_bias[child]);
                    next_.push_back({visit.row, child, visit.path + log_score(loss_, margin)});
                }
            });
            keep(next_);
            visits_.swap(next_);
        }
        for_each_node(trained, begin, visits_, [&](const Visit& visit, const double* sums, Index n) {
            const Index first = tree.label_begin[visit.node];
            for (Index c = 0; c < n; ++c)
                emit(visit.row, first + c, visit.path,
                     sums[c] + static_cast<double>(trained.model.label_bias[first + c]));
        });
    }

  private:
    /// use(visit, sums of weights of the node's models, how many) for each visit, node after node.
    template <class Use>
    void for_each_node(const TrainedTree& trained, Index begin, std::vector<Visit>& visits, Use&& use) {
        std::sort(visits.begin(), visits.end(),
                  [](const Visit& a, const Visit& b) { return a.node != b.node ? a.node < b.node : a.row < b.row; });
        for (std::size_t first = 0, last = 0; first < visits.size(); first = last) {
            const Index node = visits[first].node;
            Index n_features = 0;
            for (last = first; last < visits.size() && visits[last].node == node; ++last)
                n_features += x_.row(begin + visits[last].row).size;
            const ModelView& m = trained.model;
            const Index from = m.chunk_begin[node], size = m.chunk_begin[node + 1] - from;
            const Index n = trained.tree.n_models(node);
            // Writing down where the chunk's features lie pays when enough features of examples are looked up there.
            const bool is_listed = size <= 4 * n_features;
            if (is_listed)
                for (Index f = 0; f < size; ++f)
                    place_[static_cast<std::size_t>(m.features[from + f])] = static_cast<std::int32_t>(f);
            for (std::size_t v = first; v < last; ++v) {
                sums_.assign(static_cast<std::size_t>(n), 0.0);
                const FeatureRow x = x_.row(begin + visits[v].row);
                const std::int32_t* at = m.features + from;
                for (Index k = 0; k < x.size; ++k) {
                    Index place = -1;
                    if (is_listed) {
                        place = place_[static_cast<std::size_t>(x.features[k])];
                    } else {
                        at = std::lower_bound(at, m.features + from + size, x.features[k]);
                        if (at == m.features + from + size) break;
                        if (*at == x.features[k]) place = at - (m.features + from);
                    }
                    if (place < 0) continue;
                    const auto value = static_cast<double>(x.values[k]);
                    const Index stop = m.row_begin[from + place + 1];
                    for (Index e = m.row_begin[from + place]; e < stop; ++e)
                        sums_[static_cast<std::size_t>(m.columns[e])] += value * static_cast<double>(m.weights[e]);
                }
                use(visits[v], sums_.data(), n);
            }
            if (is_listed)
                for (Index f = 0; f < size; ++f) place_[static_cast<std::size_t>(m.features[from + f])] = -1;
        }
    }

    const SparseRows x_;
    Loss loss_;
    std::vector<std::int32_t> place_;
    std::vector<Visit> visits_, next_, open_;
    std::vector<double> sums_;
};

/// Keeps the `beam` best visits of each row: the higher path, of equal ones the lower node.
class KeepBest {
  public:
    explicit KeepBest(Index beam) : beam_(beam) {}

    void operator()(std::vector<Visit>& visits) const {
        const auto better = [](const Visit& a, const Visit& b) {
            if (a.row != b.row) return a.row < b.row;
            return a.path != b.path ? a.path > b.path : a.node < b.node;
        };
        std::sort(visits.begin(), visits.end(), better);
        std::size_t kept = 0;
        std::int32_t row = -1;
        for (std::size_t v = 0, rank = 0; v < visits.size(); ++v, ++rank) {
            if (visits[v].row != row) rank = 0;
            row = visits[v].row;
            if (static_cast<Index>(rank) < beam_) visits[kept++] = visits[v];
        }
        visits.resize(kept);
    }

  private:
    Index beam_;
};

}  // namespace mlkit::trees
