#pragma once
// The linear models of a whole tree, stored so that all models of one node are evaluated together.

#include <algorithm>
#include <utility>
#include <vector>

#include "mlkit/trees/label_tree.hpp"

namespace mlkit::trees {

/// The weights of one node's models: for each feature that any of them uses, the models that do, and their weights
/// ("chunk" of Etter et al., "Accelerating inference for sparse extreme multi-label ranking trees", WWW 2022).
struct Chunk {
    std::vector<std::int32_t> features;  ///< ascending
    std::vector<Index> row_end;          ///< end of each feature's entries
    std::vector<std::int32_t> columns;   ///< number of the model in the node
    std::vector<float> weights;
};

/// Chunks of all nodes, one after the other, as read-only arrays.
struct ModelView {
    const Index* chunk_begin = nullptr;  ///< [n_nodes + 1] into features
    const std::int32_t* features = nullptr;
    const Index* row_begin = nullptr;  ///< [n_rows + 1] into columns and weights
    const std::int32_t* columns = nullptr;
    const float* weights = nullptr;
    const float* node_bias = nullptr;   ///< of the model that a node's parent holds for it
    const float* label_bias = nullptr;  ///< by position in label_order
};

struct TreeModel {
    std::vector<Index> chunk_begin{0};
    std::vector<std::int32_t> features;
    std::vector<Index> row_begin{0};
    std::vector<std::int32_t> columns;
    std::vector<float> weights;
    std::vector<float> node_bias, label_bias;
    Index n_passes = 0;  ///< the most over its examples that any model took

    void append(Chunk&& chunk) {
        const Index before = row_begin.back();
        features.insert(features.end(), chunk.features.begin(), chunk.features.end());
        for (const Index end : chunk.row_end) row_begin.push_back(before + end);
        columns.insert(columns.end(), chunk.columns.begin(), chunk.columns.end());
        weights.insert(weights.end(), chunk.weights.begin(), chunk.weights.end());
        chunk_begin.push_back(static_cast<Index>(features.size()));
        chunk = Chunk();
    }
};

/// A model's weights that are kept: features ascending.
struct SparseWeights {
    std::vector<std::int32_t> features;
    std::vector<float> weights;
};

/// Turns the models of a node around, from a list for each model to a list for each feature. One for each thread.
class ChunkBuilder {
  public:
    Chunk build(const std::vector<SparseWeights>& models, Index n_features) {
        count_.resize(std::max(count_.size(), static_cast<std::size_t>(n_features)), 0);
        Chunk chunk;
        Index n_weights = 0;
        for (const SparseWeights& model : models) {
            n_weights += static_cast<Index>(model.features.size());
            for (const std::int32_t f : model.features)
                if (count_[static_cast<std::size_t>(f)]++ == 0) chunk.features.push_back(f);
        }
        std::sort(chunk.features.begin(), chunk.features.end());
        Index end = 0;
        for (const std::int32_t f : chunk.features) {
            const Index size = count_[static_cast<std::size_t>(f)];
            count_[static_cast<std::size_t>(f)] = end;  // from now on the place of the next entry
            end += size;
            chunk.row_end.push_back(end);
        }
        chunk.columns.resize(static_cast<std::size_t>(n_weights));
        chunk.weights.resize(static_cast<std::size_t>(n_weights));
        for (std::size_t c = 0; c < models.size(); ++c)
            for (std::size_t k = 0; k < models[c].features.size(); ++k) {
                const auto to = static_cast<std::size_t>(count_[static_cast<std::size_t>(models[c].features[k])]++);
                chunk.columns[to] = static_cast<std::int32_t>(c);
                chunk.weights[to] = models[c].weights[k];
            }
        for (const std::int32_t f : chunk.features) count_[static_cast<std::size_t>(f)] = 0;
        return chunk;
    }

  private:
    std::vector<Index> count_;
};

}  // namespace mlkit::trees
