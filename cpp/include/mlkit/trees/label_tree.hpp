#pragma once
// A tree over labels as the kernels see it, and which examples belong to which node.

#include <numeric>
#include <vector>

#include "mlkit/core/views.hpp"

namespace mlkit::trees {

/// Nodes are numbered level by level, so that the children of a node follow one another. Each node owns a slice of
/// `label_order`; only leaves own labels that no child owns.
struct TreeView {
    Index n_nodes = 0;
    Index n_labels = 0;
    const std::int32_t* parent = nullptr;
    const std::int32_t* first_child = nullptr;
    const std::int32_t* n_children = nullptr;
    const std::int32_t* label_begin = nullptr;
    const std::int32_t* label_end = nullptr;
    const std::int32_t* label_order = nullptr;

    bool is_leaf(Index v) const { return n_children[v] == 0; }
    Index size(Index v) const { return label_end[v] - label_begin[v]; }
    /// Models that a node holds: one for each child, in a leaf one for each label.
    Index n_models(Index v) const { return is_leaf(v) ? size(v) : n_children[v]; }

    /// The leaf of each label.
    std::vector<std::int32_t> leaf_of_label() const {
        std::vector<std::int32_t> leaf(static_cast<std::size_t>(n_labels));
        for (Index v = 0; v < n_nodes; ++v)
            for (Index p = label_begin[v]; is_leaf(v) && p < label_end[v]; ++p)
                leaf[static_cast<std::size_t>(label_order[p])] = static_cast<std::int32_t>(v);
        return leaf;
    }
};

/// Ascending lists of rows, one for each node or label.
struct RowLists {
    std::vector<Index> begin;
    std::vector<std::int32_t> rows;

    const std::int32_t* of(Index v) const { return rows.data() + begin[static_cast<std::size_t>(v)]; }
    Index size(Index v) const { return begin[static_cast<std::size_t>(v) + 1] - begin[static_cast<std::size_t>(v)]; }
};

/// The rows in which a label below each node has the given value.
inline RowLists rows_of_nodes(const TreeView& tree, const LabelView& labels, int value) {
    const std::vector<std::int32_t> leaf = tree.leaf_of_label();
    const auto n_nodes = static_cast<std::size_t>(tree.n_nodes);
    const auto walk = [&](auto&& visit) {
        std::vector<Index> last(n_nodes, -1);
        for (Index i = 0; i < labels.n_rows; ++i) {
            const LabelRow row = labels.row(i);
            for (Index k = 0; k < row.size; ++k) {
                if (row.value(k) != value) continue;
                for (Index v = leaf[static_cast<std::size_t>(row.labels[k])];
                     v >= 0 && last[static_cast<std::size_t>(v)] != i; v = tree.parent[v]) {
                    last[static_cast<std::size_t>(v)] = i;
                    visit(static_cast<std::size_t>(v), i);
                }
            }
        }
    };
    RowLists lists;
    lists.begin.assign(n_nodes + 1, 0);
    walk([&](std::size_t v, Index) { ++lists.begin[v + 1]; });
    std::partial_sum(lists.begin.begin(), lists.begin.end(), lists.begin.begin());
    lists.rows.resize(static_cast<std::size_t>(lists.begin.back()));
    std::vector<Index> next(lists.begin.begin(), lists.begin.end() - 1);
    walk([&](std::size_t v, Index i) {
        lists.rows[static_cast<std::size_t>(next[v]++)] = static_cast<std::int32_t>(i);
    });
    return lists;
}

/// The rows in which each label has the given value.
inline RowLists rows_of_labels(const LabelView& labels, int value) {
    RowLists lists;
    lists.begin.assign(static_cast<std::size_t>(labels.n_labels) + 1, 0);
    const auto walk = [&](auto&& visit) {
        for (Index i = 0; i < labels.n_rows; ++i) {
            const LabelRow row = labels.row(i);
            for (Index k = 0; k < row.size; ++k)
                if (row.value(k) == value) visit(static_cast<std::size_t>(row.labels[k]), i);
        }
    };
    walk([&](std::size_t j, Index) { ++lists.begin[j + 1]; });
    std::partial_sum(lists.begin.begin(), lists.begin.end(), lists.begin.begin());
    lists.rows.resize(static_cast<std::size_t>(lists.begin.back()));
    std::vector<Index> next(lists.begin.begin(), lists.begin.end() - 1);
    walk([&](std::size_t j, Index i) {
        lists.rows[static_cast<std::size_t>(next[j]++)] = static_cast<std::int32_t>(i);
    });
    return lists;
}

}  // namespace mlkit::trees
