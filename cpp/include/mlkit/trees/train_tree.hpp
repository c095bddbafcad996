#pragma once
// Training of all models of a tree (Prabhu et al., "Parabel", WWW 2018; Jasinska et al., "PLT", ICML 2016): a node's
// models learn on the examples that carry a label below it, the root's on all, those without labels included.
//
// Models of one node are solved in groups of eight. Nodes with a good part of all examples work on the shared rows,
// each group a task of its own; any other node is one task, which numbers the features that occur in it anew so that
// its weight vectors stay small.

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/trees/hinge_lanes.hpp"
#include "mlkit/trees/logistic.hpp"
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
        Lookout lookout(team);
        for (std::size_t t = 0; t < shops.size(); ++t)
            shops[t].look = [&lookout, t] { lookout.look(static_cast<int>(t)); };
        std::vector<std::vector<SparseWeights>> wide(n_nodes);
        std::vector<std::pair<Index, Group>> tasks;  // groups of wide nodes
        for (Index v = 0; v < tree_.n_nodes; ++v) {
            if (!is_wide(v)) continue;
            wide[static_cast<std::size_t>(v)].resize(static_cast<std::size_t>(tree_.n_models(v)));
            for (Group& group : groups_of(v)) tasks.emplace_back(v, std::move(group));
        }
        for_each_block(static_cast<Index>(tasks.size()), team, [&](Index t, int thread) {
            const auto& [v, group] = tasks[static_cast<std::size_t>(t)];
            Workshop& shop = shops[static_cast<std::size_t>(thread)];
            take_examples(v, false, shop);
            learn(v, group, nullptr, shop, wide[static_cast<std::size_t>(v)]);
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
        for (const Workshop& shop : shops) model.n_passes = std::max(model.n_passes, shop.n_passes);
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
    using Group = std::vector<Index>;  ///< numbers of models within a node, at most eight

    struct Workshop {
        HingeSolver hinge;
        LogisticSolver logistic;
        LocalRows local;
        ChunkBuilder builder;
        Problems problems;
        std::vector<std::int32_t> numbers;  ///< of the problems' examples among all
        std::vector<double> norms;
        std::function<void()> look;
        Index n_passes = 0;

        explicit Workshop(const LinearOptions& options) : hinge(options), logistic(options) {}
    };

    bool is_wide(Index v) const { return v == 0 || 4 * nodes_.size(v) > x_.n_rows; }
    std::pair<const std::int32_t*, Index> rows_of(Index v) const {
        return v == 0 ? std::make_pair(all_.data(), x_.n_rows) : std::make_pair(nodes_.of(v), nodes_.size(v));
    }
    /// What model `c` of node `v` predicts: a node, or a label in a leaf.
    Index target_of(Index v, Index c) const {
        return tree_.is_leaf(v) ? tree_.label_order[tree_.label_begin[v] + c] : tree_.first_child[v] + c;
    }

    /// Models with about as many positives settle after about as many passes: they go together.
    std::vector<Group> groups_of(Index v) const {
        const RowLists& present = tree_.is_leaf(v) ? labels_ : nodes_;
        Group models(static_cast<std::size_t>(tree_.n_models(v)));
        std::iota(models.begin(), models.end(), Index{0});
        std::stable_sort(models.begin(), models.end(), [&](Index a, Index b) {
            return present.size(target_of(v, a)) > present.size(target_of(v, b));
        });
        const std::size_t most = options_.linear.loss == Loss::log ? 1 : lanes::width;
        std::vector<Group> groups;
        for (std::size_t first = 0; first < models.size(); first += most)
            groups.emplace_back(models.begin() + static_cast<std::ptrdiff_t>(first),
                                models.begin() + static_cast<std::ptrdiff_t>(std::min(first + most, models.size())));
        return groups;
    }

    std::vector<SparseWeights> learn_narrow(Index v, Workshop& shop) {
        const auto [rows, n] = rows_of(v);
        shop.local.load(x_, rows, n);
        shop.norms.resize(static_cast<std::size_t>(n));
        for (Index r = 0; r < n; ++r)
            shop.norms[static_cast<std::size_t>(r)] = norms_[static_cast<std::size_t>(rows[r])];
        std::vector<SparseWeights> models(static_cast<std::size_t>(tree_.n_models(v)));
        take_examples(v, true, shop);
        for (const Group& group : groups_of(v)) learn(v, group, &shop.local, shop, models);
        return models;
    }

    /// Trains models of node `v`, each on the examples where its target is known.
    void learn(Index v, const Group& group, const LocalRows* local, Workshop& shop,
               std::vector<SparseWeights>& models) {
        const unsigned varying = pose(v, group, shop);
        if (varying == 0) return;
        const SparseRows x = local ? local->view() : x_;
        const double* norms = local ? shop.norms.data() : norms_.data();
        const Index first = target_of(v, group.front());
        const Random random(options_.seed,
                            static_cast<std::uint64_t>(tree_.is_leaf(v) ? tree_.n_nodes + first : first));
        const bool is_log = options_.linear.loss == Loss::log;
        const Index n_passes = is_log ? shop.logistic.solve(x, norms, shop.problems, 0, random, shop.look)
                                      : shop.hinge.solve(x, norms, shop.problems, varying, random, shop.look);
        shop.n_passes = std::max(shop.n_passes, n_passes);
        for (std::size_t at = 0; at < group.size(); ++at) {
            const int lane = static_cast<int>(at);
            if (!(varying >> lane & 1)) continue;
            bias_of(v, group[at]) = static_cast<float>(is_log ? shop.logistic.bias() : shop.hinge.bias(lane));
            SparseWeights& kept = models[static_cast<std::size_t>(group[at])];
            for (Index f = 0; f < x.n_features; ++f) {
                const double w = is_log ? shop.logistic.weight(f) : shop.hinge.weight(f, lane);
                const auto weight = static_cast<float>(w);
                if (weight == 0.0F || std::abs(w) < options_.weight_threshold) continue;
                kept.features.push_back(local ? local->features()[static_cast<std::size_t>(f)]
                                              : static_cast<std::int32_t>(f));
                kept.weights.push_back(weight);
            }
        }
    }

    float& bias_of(Index v, Index c) {
        return tree_.is_leaf(v) ? label_bias_[static_cast<std::size_t>(tree_.label_begin[v] + c)]
                                : node_bias_[static_cast<std::size_t>(tree_.first_child[v] + c)];
    }

    /// The examples of a node that weigh anything.
    void take_examples(Index v, bool is_local, Workshop& shop) const {
        const auto [rows, n] = rows_of(v);
        shop.numbers.clear();
        shop.problems.rows.clear();
        shop.problems.weights.clear();
        for (Index r = 0; r < n; ++r) {
            const double weight = options_.sample_weight ? options_.sample_weight[rows[r]] : 1.0;
            if (weight == 0.0) continue;
            shop.numbers.push_back(rows[r]);
            shop.problems.rows.push_back(is_local ? static_cast<std::int32_t>(r) : rows[r]);
            shop.problems.weights.push_back(weight);
        }
    }

    /// States the problems of a group on the examples taken. Returns the bits of those whose targets vary; the others
    /// are answered here.
    unsigned pose(Index v, const Group& group, Workshop& shop) {
        const bool is_label = tree_.is_leaf(v);
        const RowLists& present = is_label ? labels_ : nodes_;
        const RowLists& unknown = is_label ? unknown_labels_ : unknown_nodes_;
        Problems& problems = shop.problems;
        const std::vector<std::int32_t>& numbers = shop.numbers;
        problems.positive.assign(numbers.size(), 0);
        problems.known.assign(numbers.size(), 0);
        unsigned varying = 0;
        for (std::size_t at = 0; at < group.size(); ++at) {
            const Index target = target_of(v, group[at]);
            const auto bit = static_cast<std::uint8_t>(1U << at);
            Index n_side[2] = {0, 0}, at_present = 0, at_unknown = 0;
            double weight_of_side[2] = {0.0, 0.0};
            for (std::size_t i = 0; i < numbers.size(); ++i) {
                const bool is_present = holds(present, target, numbers[i], at_present);
                if (!is_present && holds(unknown, target, numbers[i], at_unknown)) continue;
                ++n_side[is_present];
                weight_of_side[is_present] += problems.weights[i];
                problems.known[i] = static_cast<std::uint8_t>(problems.known[i] | bit);
                if (is_present) problems.positive[i] = static_cast<std::uint8_t>(problems.positive[i] | bit);
            }
            const double whole = weight_of_side[0] + weight_of_side[1];
            if (n_side[0] == 0 || n_side[1] == 0) {
                bias_of(v, group[at]) =
                    static_cast<float>(constant_margin(options_.linear.loss, weight_of_side[1], whole));
                continue;
            }
            varying |= bit;
            const double factor = is_label && options_.label_weight ? options_.label_weight[target] : 1.0;
            problems.positive_cost[at] = options_.C * factor;
            problems.negative_cost[at] = options_.C;
            if (options_.is_balanced) {
                problems.positive_cost[at] *= whole / (2.0 * weight_of_side[1]);
                problems.negative_cost[at] *= whole / (2.0 * weight_of_side[0]);
            }
        }
        return varying;
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
