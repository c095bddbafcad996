#include "mlkit/trees/balanced_kmeans.hpp"
#include "mlkit/trees/predict.hpp"
#include "mlkit/trees/train_tree.hpp"
#include "numpy_views.hpp"

namespace mlkit::bindings {

using namespace mlkit::trees;

namespace {

using Ints = Array<std::int32_t>;
using Longs = Array<Index>;
using Floats = Array<float>;
using Doubles = Array<double>;

/// Sparse rows with the arrays that carry them.
struct Rows {
    Longs indptr;
    Ints indices;
    Floats values;
    SparseRows view;

    Rows(Longs indptr_, Ints indices_, Floats values_, Index n_features)
        : indptr(std::move(indptr_)), indices(std::move(indices_)), values(std::move(values_)) {
        require(indptr.ndim() == 1 && indptr.size() >= 1, "rows: indptr needs at least one entry");
        require(indices.size() >= indptr.data()[indptr.size() - 1] && values.size() == indices.size(),
                "rows: values, indices and indptr disagree");
        view = {indptr.size() - 1, n_features, indptr.data(), indices.data(), values.data()};
    }
};

/// The shape of a tree with the arrays that carry it.
struct Tree {
    Ints parent, first_child, n_children, label_begin, label_end, label_order;
    TreeView view;

    Tree(Ints parent_, Ints first_child_, Ints n_children_, Ints label_begin_, Ints label_end_, Ints label_order_)
        : parent(std::move(parent_)),
          first_child(std::move(first_child_)),
          n_children(std::move(n_children_)),
          label_begin(std::move(label_begin_)),
          label_end(std::move(label_end_)),
          label_order(std::move(label_order_)) {
        const auto n = parent.size();
        require(n >= 1 && first_child.size() == n && n_children.size() == n && label_begin.size() == n &&
                    label_end.size() == n,
                "tree: arrays of nodes differ in length");
        view = {n,
                label_order.size(),
                parent.data(),
                first_child.data(),
                n_children.data(),
                label_begin.data(),
                label_end.data(),
                label_order.data()};
    }
};

/// Models of a tree with the arrays that carry them.
struct Models {
    Longs chunk_begin;
    Ints features;
    Longs row_begin;
    Ints columns;
    Floats weights, node_bias, label_bias;
    ModelView view;

    Models(Longs chunk_begin_, Ints features_, Longs row_begin_, Ints columns_, Floats weights_, Floats node_bias_,
           Floats label_bias_)
        : chunk_begin(std::move(chunk_begin_)),
          features(std::move(features_)),
          row_begin(std::move(row_begin_)),
          columns(std::move(columns_)),
          weights(std::move(weights_)),
          node_bias(std::move(node_bias_)),
          label_bias(std::move(label_bias_)) {
        require(chunk_begin.size() == node_bias.size() + 1 &&
                    chunk_begin.data()[chunk_begin.size() - 1] == features.size() &&
                    row_begin.size() == features.size() + 1 && columns.size() == weights.size() &&
                    row_begin.data()[row_begin.size() - 1] == columns.size(),
                "models: arrays differ in length");
        view = {chunk_begin.data(), features.data(),  row_begin.data(), columns.data(),
                weights.data(),     node_bias.data(), label_bias.data()};
    }
};

/// Trained trees that predict together.
struct TrainedForest {
    std::vector<Tree> trees;
    std::vector<Models> models;
    Forest forest;

    TrainedForest(std::vector<Tree> trees_, std::vector<Models> models_)
        : trees(std::move(trees_)), models(std::move(models_)) {
        require(!trees.empty() && trees.size() == models.size(), "forest: expected models for each tree");
        for (std::size_t t = 0; t < trees.size(); ++t) {
            const TreeView& tree = trees[t].view;
            require(tree.n_labels == trees[0].view.n_labels, "forest: trees differ in their labels");
            require(models[t].node_bias.size() == tree.n_nodes && models[t].label_bias.size() == tree.n_labels,
                    "forest: models belong to another tree");
            std::vector<std::int32_t> position(static_cast<std::size_t>(tree.n_labels));
            for (Index p = 0; p < tree.n_labels; ++p)
                position[static_cast<std::size_t>(tree.label_order[p])] = static_cast<std::int32_t>(p);
            forest.push_back({tree, models[t].view, std::move(position)});
        }
    }
};

/// The arrays of a model, and the most passes that one of its parts took.
py::tuple arrays_of(TreeModel&& model) {
    return py::make_tuple(to_numpy(std::move(model.chunk_begin)), to_numpy(std::move(model.features)),
                          to_numpy(std::move(model.row_begin)), to_numpy(std::move(model.columns)),
                          to_numpy(std::move(model.weights)), to_numpy(std::move(model.node_bias)),
                          to_numpy(std::move(model.label_bias)), model.n_passes);
}

void register_shapes(py::module_& m) {
    py::class_<Rows>(m, "Rows").def(py::init<Longs, Ints, Floats, Index>(), py::arg("indptr").noconvert(),
                                    py::arg("indices").noconvert(), py::arg("values").noconvert(),
                                    py::arg("n_features"));
    py::class_<Tree>(m, "Tree").def(py::init<Ints, Ints, Ints, Ints, Ints, Ints>(), py::arg("parent").noconvert(),
                                    py::arg("first_child").noconvert(), py::arg("n_children").noconvert(),
                                    py::arg("label_begin").noconvert(), py::arg("label_end").noconvert(),
                                    py::arg("label_order").noconvert());
    py::class_<Models>(m, "Models")
        .def(py::init<Longs, Ints, Longs, Ints, Floats, Floats, Floats>(), py::arg("chunk_begin").noconvert(),
             py::arg("features").noconvert(), py::arg("row_begin").noconvert(), py::arg("columns").noconvert(),
             py::arg("weights").noconvert(), py::arg("node_bias").noconvert(), py::arg("label_bias").noconvert());
    py::class_<TrainedForest>(m, "Forest")
        .def(py::init<std::vector<Tree>, std::vector<Models>>(), py::arg("trees"), py::arg("models"));
    py::enum_<Loss>(m, "Loss").value("squared_hinge", Loss::squared_hinge).value("log", Loss::log);
}

void register_building(py::module_& m) {
    m.def(
        "balanced_clusters",
        [](const Rows& vectors, Index n_clusters, Index max_iter, std::uint64_t seed, int n_threads) {
            std::vector<std::int32_t> order(static_cast<std::size_t>(vectors.view.n_rows));
            std::iota(order.begin(), order.end(), 0);
            const Index n_iter = without_gil([&] {
                return BalancedSplitter(vectors.view, max_iter)
                    .split(order.data(), vectors.view.n_rows, n_clusters, Random(seed, 0),
                           team(n_threads).for_work(vectors.view.n_stored() * n_clusters * max_iter));
            });
            return py::make_tuple(to_numpy(std::move(order)), n_iter);
        },
        py::arg("vectors"), py::arg("n_clusters"), py::arg("max_iter"), py::arg("seed"), py::arg("n_threads"));
    m.def(
        "balanced_tree_order",
        [](const Rows& vectors, Index arity, Index max_leaf, Index max_iter, std::uint64_t seed, int n_threads) {
            return to_numpy(without_gil(
                [&] { return balanced_tree_order(vectors.view, arity, max_leaf, max_iter, seed, team(n_threads)); }));
        },
        py::arg("vectors"), py::arg("arity"), py::arg("max_leaf"), py::arg("max_iter"), py::arg("seed"),
        py::arg("n_threads"));
}

void register_learning(py::module_& m) {
    m.def(
        "train_tree",
        [](const Tree& tree, const Rows& x, const Labels& y, Loss loss, double C, double eps, Index max_iter,
           double weight_threshold, bool is_balanced, const std::optional<Doubles>& sample_weight,
           const std::optional<Doubles>& label_weight, std::uint64_t seed, int n_threads) {
            require(y.view.n_rows == x.view.n_rows && y.view.n_labels == tree.view.n_labels,
                    "train_tree: rows or labels differ");
            TrainOptions options;
            options.linear = {loss, eps, max_iter};
            options.C = C;
            options.weight_threshold = weight_threshold;
            options.is_balanced = is_balanced;
            options.sample_weight = sample_weight ? sample_weight->data() : nullptr;
            options.label_weight = label_weight ? label_weight->data() : nullptr;
            options.seed = seed;
            return arrays_of(
                without_gil([&] { return train_tree(tree.view, x.view, y.view, options, team(n_threads)); }));
        },
        py::arg("tree"), py::arg("x"), py::arg("y"), py::arg("loss"), py::arg("C"), py::arg("eps"), py::arg("max_iter"),
        py::arg("weight_threshold"), py::arg("is_balanced"), py::arg("sample_weight").noconvert(),
        py::arg("label_weight").noconvert(), py::arg("seed"), py::arg("n_threads"));
    m.def(
        "most_weights",
        [](const Tree& tree, const Rows& x, const Labels& y, int n_threads) {
            return without_gil([&] { return most_weights(tree.view, x.view, y.view, team(n_threads)); });
        },
        py::arg("tree"), py::arg("x"), py::arg("y"), py::arg("n_threads"));
}

void register_predicting(py::module_& m) {
    m.def(
        "best_labels",
        [](const TrainedForest& forest, const Rows& x, Loss loss, Index k, Index beam, bool is_exact, double threshold,
           int n_threads) {
            LabelRows found = without_gil([&] {
                return best_labels(forest.forest, x.view, {loss, k, beam, is_exact, threshold}, team(n_threads));
            });
            return py::make_tuple(to_numpy(std::move(found.indptr)), to_numpy(std::move(found.labels)),
                                  to_numpy(std::move(found.scores)));
        },
        py::arg("forest"), py::arg("x"), py::arg("loss"), py::arg("k"), py::arg("beam"), py::arg("is_exact"),
        py::arg("threshold"), py::arg("n_threads"));
    m.def(
        "all_labels",
        [](const TrainedForest& forest, const Rows& x, Loss loss, bool as_margins, int n_threads) {
            Floats out({x.view.n_rows, forest.forest.front().tree.n_labels});
            float* data = out.mutable_data();
            without_gil([&] { all_labels(forest.forest, x.view, loss, as_margins, team(n_threads), data); });
            return out;
        },
        py::arg("forest"), py::arg("x"), py::arg("loss"), py::arg("as_margins"), py::arg("n_threads"));
}

}  // namespace

void register_trees(py::module_& m) {
    register_shapes(m);
    register_building(m);
    register_learning(m);
    register_predicting(m);
}

}  // namespace mlkit::bindings
