#pragma once
// Training of all models of a tree (Prabhu et al., "Parabel", WWW 2018; Jasinska et al., "PLT", ICML 2016): a node's
// models learn on the examples that carry a label below it, the root's on all, those without labels included.
//
// Nodes with a good part of all examples work on the shared rows, each model a task of its own; any other node is one
// task, which numbers the features that occur in it anew so that its weight vectors stay small.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/trees/linear.hpp"
#include "mlkit/trees/tree_model.hpp"

namespace mlkit::trees {

struct TrainOptions {
    LinearOptions linear;
    double C = 1.0;
    double weight_threshold = 0.0;  ///< weights nearer to 0 are dropped
    bool is_balanced = false;       ///< costs n / (2 n_side) for the two sides of each problem
    const double* sample_weight = nullptr;
    const double* label_weight = nullptr;  ///< factor on the cost of each label's positives
    std::uint64_t seed = 0;
};

namespace detail {

/// The margin of a model that has nothing to learn: its score is the share of positives, half an example added.
inline double constant_margin(Loss loss, double n_positive, double n) {
    const double p = (n_positive + 0.5) / (n + 1.0);
    return loss == Loss::log ? std::log(p / (1.0 - p)) : 1.0 - std::sqrt(-std::log(p));
}

/// Whether `row` is in the ascending list; `at` remembers the place for ascending queries.
inline bool holds(const RowLists& lists, Index v, std::int32_t row, Index& at) {
    const std::int32_t* rows = lists.of(v);
    const Index size = lists.size(v);
    while (at < size && rows[at] < row) ++at;
    return at < size && rows[at] == row;
}

class TreeTrainer {
  public:
    TreeTrainer(const TreeView& tree, const SparseRows& x, const LabelView& labels, const TrainOptions& options)
        : tree_(tree),
          x_(x),
          options_(options),
          nodes_(rows_of_nodes(tree, labels, 1)),
          labels_(rows_of_labels(labels, 1)),
          unknown_nodes_(rows_of_nodes(tree, labels, -1)),
          unknown_labels_(rows_of_labels(labels, -1)),
          norms_(static_cast<std::size_t>(x.n_rows)),
          all_(static_cast<std::size_t>(x.n_rows)) {
        for (Index i = 0; i < x.n_rows; ++i) {
            norms_[static_cast<std::size_t>(i)] = squared_norm(x.row(i));
            all_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
        }
        node_bias_.assign(static_cast<std::size_t>(tree.n_nodes), 0.0F);
        label_bias_.assign(static_cast<std::size_t>(tree.n_labels), 0.0F);
    }

    TreeModel train(const Team& team) {
        const auto n_nodes = static_cast<std::size_t>(tree_.n_nodes);
        std::vector<Workshop> shops(static_cast<std::size_t>(team.n_threads), Workshop(options_.linear));
        std::vector<std::vector<SparseWeights>> wide(n_nodes);
        std::vector<std::pair<Index, Index>> tasks;  // models of wide nodes
        std::vector<Index> narrow;
        for (Index v = 0; v < tree_.n_nodes; ++v) {
            if (!is_wide(v)) {
                narrow.push_back(v);
                continue;
            }
            wide[static_cast<std::size_t>(v)].resize(static_cast<std::size_t>(tree_.n_models(v)));
            for (Index c = 0; c < tree_.n_models(v); ++c) tasks.emplace_back(v, c);
        }
        for_each_block(static_cast<Index>(tasks.size()), team, [&](Index t, int thread) {
            const auto [v, c] = tasks[static_cast<std::size_t>(t)];
            const auto [rows, n] = rows_of(v);
            wide[static_cast<std::size_t>(v)][static_cast<std::size_t>(c)] =
                learn(v, c, rows, n, nullptr, shops[static_cast<std::size_t>(thread)]);
        });
        std::vector<Chunk> chunks(n_nodes);
        for_each_block(tree_.n_nodes, team, [&](Index v, int thread) {
            Workshop& shop = shops[static_cast<std::size_t>(thread)];
            auto& models = wide[static_cast<std::size_t>(v)];
            if (!is_wide(v)) models = learn_narrow(v, shop);
            chunks[static_cast<std::size_t>(v)] = shop.builder.build(models, x_.n_features);
            models = {};
        });
        TreeModel model;
        for (Chunk& chunk : chunks) model.append(std::move(chunk));
        model.node_bias = std::move(node_bias_);
        model.label_bias = std::move(label_bias_);
        return model;
    }

    /// The most weights that training can keep: models times the features that occur in their node.
    Index most_weights(const Team& team) const {
        std::vector<Index> most(static_cast<std::size_t>(tree_.n_nodes), 0);
        std::vector<LocalRows> locals(static_cast<std::size_t>(team.n_threads));
        for_each_block(tree_.n_nodes, team, [&](Index v, int thread) {
            const auto [rows, n] = rows_of(v);
            LocalRows& local = locals[static_cast<std::size_t>(thread)];
            local.load(x_, rows, n);
            most[static_cast<std::size_t>(v)] = tree_.n_models(v) * static_cast<Index>(local.features().size());
        });
        return std::accumulate(most.begin(), most.end(), Index{0});
    }

  private:
    struct Workshop {
        LinearSolver solver;
        LocalRows local;
        ChunkBuilder builder;
        BinaryProblem problem;
        std::vector<double> norms;

        explicit Workshop(const LinearOptions& options) : solver(options) {}
    };

    bool is_wide(Index v) const { return v == 0 || 4 * nodes_.size(v) > x_.n_rows; }
    std::pair<const std::int32_t*, Index> rows_of(Index v) const {
        return v == 0 ? std::make_pair(all_.data(), x_.n_rows) : std::make_pair(nodes_.of(v), nodes_.size(v));
    }

    std::vector<SparseWeights> learn_narrow(Index v, Workshop& shop) {
        const auto [rows, n] = rows_of(v);
        shop.local.load(x_, rows, n);
        shop.norms.resize(static_cast<std::size_t>(n));
        for (Index r = 0; r < n; ++r)
            shop.norms[static_cast<std::size_t>(r)] = norms_[static_cast<std::size_t>(rows[r])];
        std::vector<SparseWeights> models(static_cast<std::size_t>(tree_.n_models(v)));
        for (Index c = 0; c < tree_.n_models(v); ++c)
            models[static_cast<std::size_t>(c)] = learn(v, c, rows, n, &shop.local, shop);
        return models;
    }

    /// Trains model `c` of node `v` on the rows where its target is known.
    SparseWeights learn(Index v, Index c, const std::int32_t* rows, Index n, const LocalRows* local, Workshop& shop) {
        const bool is_label = tree_.is_leaf(v);
        const Index position = tree_.label_begin[v] + c;
        const Index target = is_label ? tree_.label_order[position] : tree_.first_child[v] + c;
        const RowLists& present = is_label ? labels_ : nodes_;
        const RowLists& unknown = is_label ? unknown_labels_ : unknown_nodes_;
        float& bias =
            is_label ? label_bias_[static_cast<std::size_t>(position)] : node_bias_[static_cast<std::size_t>(target)];
        const double factor = is_label && options_.label_weight ? options_.label_weight[target] : 1.0;

        BinaryProblem& problem = shop.problem;
        problem.clear();
        Index n_side[2] = {0, 0};
        double weight_of_side[2] = {0.0, 0.0};
        Index at_present = 0, at_unknown = 0;
        for (Index r = 0; r < n; ++r) {
            const bool is_present = holds(present, target, rows[r], at_present);
            if (!is_present && holds(unknown, target, rows[r], at_unknown)) continue;
            const double weight = options_.sample_weight ? options_.sample_weight[rows[r]] : 1.0;
            if (weight == 0.0) continue;
            ++n_side[is_present];
            weight_of_side[is_present] += weight;
            problem.add(local ? static_cast<std::int32_t>(r) : rows[r], is_present ? 1 : -1,
                        options_.C * weight * (is_present ? factor : 1.0));
        }
        if (n_side[0] == 0 || n_side[1] == 0) {
            bias = static_cast<float>(
                constant_margin(options_.linear.loss, weight_of_side[1], weight_of_side[0] + weight_of_side[1]));
            return {};
        }
        if (options_.is_balanced)
            for (std::size_t i = 0; i < problem.costs.size(); ++i)
                problem.costs[i] *=
                    (weight_of_side[0] + weight_of_side[1]) / (2.0 * weight_of_side[problem.signs[i] > 0]);

        const auto stream = static_cast<std::uint64_t>(is_label ? tree_.n_nodes + target : target);
        shop.solver.solve(local ? local->view() : x_, local ? shop.norms.data() : norms_.data(), problem,
                          Random(options_.seed, stream));
        bias = static_cast<float>(shop.solver.bias());
        SparseWeights kept;
        const std::vector<double>& w = shop.solver.weights();
        for (std::size_t f = 0; f < w.size(); ++f) {
            const auto weight = static_cast<float>(w[f]);
            if (weight == 0.0F || std::abs(w[f]) < options_.weight_threshold) continue;
            kept.features.push_back(local ? local->features()[f] : static_cast<std::int32_t>(f));
            kept.weights.push_back(weight);
        }
        return kept;
    }

    const TreeView tree_;
    const SparseRows x_;
    const TrainOptions options_;
    const RowLists nodes_, labels_, unknown_nodes_, unknown_labels_;
    std::vector<double> norms_;
    std::vector<std::int32_t> all_;
    std::vector<float> node_bias_, label_bias_;
};

}  // namespace detail

inline TreeModel train_tree(const TreeView& tree, const SparseRows& x, const LabelView& labels,
                            const TrainOptions& options, const Team& whole_team) {
    const Team team = whole_team.for_work(x.n_stored() * tree.n_labels);
    return detail::TreeTrainer(tree, x, labels, options).train(team);
}

inline Index most_weights(const TreeView& tree, const SparseRows& x, const LabelView& labels, const Team& team) {
    return detail::TreeTrainer(tree, x, labels, {}).most_weights(team);
}

}  // namespace mlkit::trees
