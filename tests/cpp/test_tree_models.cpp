// Co-occurrence, balanced trees, training and search from C++ alone: what sanitizers should see.

#include <numeric>
#include <random>

#include "check.hpp"
#include "mlkit/labels/cooccurrence.hpp"
#include "mlkit/trees/balanced_kmeans.hpp"
#include "mlkit/trees/predict.hpp"
#include "mlkit/trees/train_tree.hpp"

namespace {

using namespace mlkit;

struct Problem {
    Index n = 90, d = 25, n_labels = 23;
    std::vector<Index> x_begin{0}, y_begin{0};
    std::vector<std::int32_t> features, labels;
    std::vector<float> values;

    Problem() {
        std::mt19937 random(1);
        for (Index i = 0; i < n; ++i) {
            for (std::int32_t f = 0; f < d; ++f)
                if (random() % 4 == 0) {
                    features.push_back(f);
                    values.push_back(static_cast<float>(random() % 100) / 100.0F + 0.01F);
                }
            for (std::int32_t j = 0; j < n_labels; ++j)
                if (random() % 6 == 0 && j != 5) labels.push_back(j);
            x_begin.push_back(static_cast<Index>(features.size()));
            y_begin.push_back(static_cast<Index>(labels.size()));
        }
    }
    trees::SparseRows x() const { return {n, d, x_begin.data(), features.data(), values.data()}; }
    LabelView y() const { return {n, n_labels, y_begin.data(), labels.data(), nullptr, Background::negative}; }
};

/// A root, three leaves.
struct SmallTree {
    std::vector<std::int32_t> parent{-1, 0, 0, 0}, first_child{1, -1, -1, -1}, n_children{3, 0, 0, 0};
    std::vector<std::int32_t> begin{0, 0, 8, 16}, end{23, 8, 16, 23}, order;

    trees::TreeView view() const {
        return {4, 23, parent.data(), first_child.data(), n_children.data(), begin.data(), end.data(), order.data()};
    }
};

}  // namespace

TEST(pairs_add_up_to_the_squares_of_row_sizes) {
    const Problem p;
    for (const int n_threads : {1, 3}) {
        const labels::PairMatrix pairs = labels::cooccurrence(p.y(), {}, {n_threads, {}});
        Index expected = 0;
        for (Index i = 0; i < p.n; ++i) {
            const Index size = p.y_begin[static_cast<std::size_t>(i) + 1] - p.y_begin[static_cast<std::size_t>(i)];
            expected += size * size;
        }
        CHECK(std::accumulate(pairs.counts.data.get(), pairs.counts.data.get() + pairs.counts.size, Index{0}) ==
              expected);
    }
}

TEST(a_balanced_order_is_a_permutation_for_any_arity) {
    const Problem p;
    for (const Index arity : {2, 3, 7, 90}) {
        auto one = trees::balanced_tree_order(p.x(), arity, 1, 20, 7, {1, {}});
        const auto many = trees::balanced_tree_order(p.x(), arity, 1, 20, 7, {3, {}});
        CHECK(one == many);
        std::sort(one.begin(), one.end());
        for (Index i = 0; i < p.n; ++i) CHECK(one[static_cast<std::size_t>(i)] == i);
    }
}

TEST(exact_search_finds_what_scoring_all_labels_finds) {
    const Problem p;
    SmallTree tree;
    tree.order.resize(23);
    std::iota(tree.order.begin(), tree.order.end(), 0);
    for (const trees::Loss loss : {trees::Loss::squared_hinge, trees::Loss::log}) {
        trees::TrainOptions options;
        options.linear = {loss, 0.1, 20};
        const trees::TreeModel m = trees::train_tree(tree.view(), p.x(), p.y(), options, {2, {}});
        const trees::ModelView view{m.chunk_begin.data(), m.features.data(),  m.row_begin.data(), m.columns.data(),
                                    m.weights.data(),     m.node_bias.data(), m.label_bias.data()};
        const trees::Forest forest{{tree.view(), view, tree.order}, {tree.view(), view, tree.order}};
        std::vector<float> scores(static_cast<std::size_t>(p.n * p.n_labels));
        trees::all_labels(forest, p.x(), loss, false, {2, {}}, scores.data());
        const trees::LabelRows best = trees::best_labels(forest, p.x(), {loss, 4, 1, true, -1.0}, {2, {}});
        for (Index i = 0; i < p.n; ++i) {
            std::vector<float> row(scores.begin() + i * p.n_labels, scores.begin() + (i + 1) * p.n_labels);
            std::sort(row.rbegin(), row.rend());
            CHECK(best.indptr[static_cast<std::size_t>(i) + 1] - best.indptr[static_cast<std::size_t>(i)] == 4);
            for (Index k = 0; k < 4; ++k)
                CHECK(best.scores[static_cast<std::size_t>(4 * i + k)] == row[static_cast<std::size_t>(k)]);
        }
    }
}
