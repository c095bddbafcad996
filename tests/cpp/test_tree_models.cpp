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

TEST(pairs_equal_a_count_by_hand) {
    const Problem p;
    std::vector<Index> expected(static_cast<std::size_t>(p.n_labels * p.n_labels), 0);
    for (Index i = 0; i < p.n; ++i) {
        const LabelRow row = p.y().row(i);
        for (Index a = 0; a < row.size; ++a)
            for (Index b = 0; b < row.size; ++b)
                ++expected[static_cast<std::size_t>(row.labels[a] * p.n_labels + row.labels[b])];
    }
    for (const Index top : {Index{-1}, p.n_labels}) {  // mirrored, and counted from both sides
        const labels::PairMatrix pairs = labels::cooccurrence(p.y(), {labels::PairMeasure::count, 1, top}, {2, {}});
        std::vector<Index> found(expected.size(), 0);
        for (Index i = 0; i < p.n_labels; ++i)
            for (Index k = pairs.indptr[static_cast<std::size_t>(i)]; k < pairs.indptr[static_cast<std::size_t>(i) + 1];
                 ++k)
                found[static_cast<std::size_t>(i * p.n_labels + pairs.indices.data[static_cast<std::size_t>(k)])] =
                    pairs.counts.data[static_cast<std::size_t>(k)];
        CHECK(found == expected);
    }
}

TEST(eight_models_at_once_are_those_one_at_a_time) {
    const Problem p;
    const trees::SparseRows x = p.x();
    std::vector<double> norms;
    trees::Problems problems;
    std::mt19937 random(2);
    for (Index i = 0; i < p.n; ++i) {
        norms.push_back(trees::squared_norm(x.row(i)));
        problems.rows.push_back(static_cast<std::int32_t>(i));
        problems.weights.push_back(1.0 + static_cast<double>(random() % 3));
        problems.positive.push_back(static_cast<std::uint8_t>(random()));
        problems.known.push_back(static_cast<std::uint8_t>(random() % 5 ? 255 : random()));
    }
    for (int l = 0; l < lanes::width; ++l) {
        problems.positive_cost[l] = 0.5 + l;
        problems.negative_cost[l] = 1.0;
    }
    const trees::LinearOptions tight{trees::Loss::squared_hinge, 1e-10, 100'000};
    trees::HingeSolver together(tight), alone(tight);
    const auto look = [] {};
    CHECK(together.solve(x, norms.data(), problems, 255, Random(3, 0), look) < tight.max_iter);
    for (int l = 0; l < lanes::width; ++l) {
        alone.solve(x, norms.data(), problems, 1U << l, Random(4, 0), look);
        CHECK(std::abs(alone.bias(l) - together.bias(l)) < 1e-7);
        for (Index f = 0; f < x.n_features; ++f) CHECK(std::abs(alone.weight(f, l) - together.weight(f, l)) < 1e-7);
        for (Index f = 0; f < x.n_features; ++f)
            CHECK_EQUAL(alone.weight(f, static_cast<int>((l + 1) % lanes::width)), 0.0);
    }
}

TEST(a_long_solution_ends_when_somebody_looks) {
    const Problem p;
    trees::TrainOptions options;
    options.linear = {trees::Loss::squared_hinge, 0.0, 1'000'000'000};
    SmallTree tree;
    tree.order.resize(23);
    std::iota(tree.order.begin(), tree.order.end(), 0);
    bool is_thrown = false;
    try {
        trees::train_tree(tree.view(), p.x(), p.y(), options, {2, [] { return true; }});
    } catch (const Interrupted&) {
        is_thrown = true;
    }
    CHECK(is_thrown);
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
