#pragma once
// Examples or labels as sparse rows of single-precision numbers.

#include <algorithm>
#include <vector>

#include "mlkit/core/views.hpp"

namespace mlkit::trees {

struct FeatureRow {
    const std::int32_t* features;  ///< ascending
    const float* values;
    Index size;
};

struct SparseRows {
    Index n_rows = 0;
    Index n_features = 0;
    const Index* indptr = nullptr;
    const std::int32_t* indices = nullptr;
    const float* values = nullptr;

    Index n_stored() const { return n_rows ? indptr[n_rows] : 0; }
    FeatureRow row(Index i) const { return {indices + indptr[i], values + indptr[i], indptr[i + 1] - indptr[i]}; }
};

/// Four sums side by side: one alone would wait for each addition to end before the next begins.
inline double dot(const FeatureRow& x, const double* w) {
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    Index k = 0;
    for (; k + 4 <= x.size; k += 4)
        for (Index j = 0; j < 4; ++j) sum[j] += static_cast<double>(x.values[k + j]) * w[x.features[k + j]];
    for (; k < x.size; ++k) sum[k % 4] += static_cast<double>(x.values[k]) * w[x.features[k]];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

inline void add_scaled(double factor, const FeatureRow& x, double* w) {
    for (Index k = 0; k < x.size; ++k) w[x.features[k]] += factor * static_cast<double>(x.values[k]);
}

inline double squared_norm(const FeatureRow& x) {
    double sum = 0.0;
    for (Index k = 0; k < x.size; ++k) sum += static_cast<double>(x.values[k]) * static_cast<double>(x.values[k]);
    return sum;
}

/// Some rows of a matrix with the features that occur in them numbered anew: a small problem in small arrays.
class LocalRows {
  public:
    void load(const SparseRows& all, const std::int32_t* rows, Index n_rows) {
        if (static_cast<Index>(number_.size()) < all.n_features)
            number_.resize(static_cast<std::size_t>(all.n_features), -1);
        features_.clear();
        indptr_.assign(1, 0);
        for (Index r = 0; r < n_rows; ++r) {
            const FeatureRow x = all.row(rows[r]);
            for (Index k = 0; k < x.size; ++k) {
                std::int32_t& number = number_[static_cast<std::size_t>(x.features[k])];
                if (number < 0) {
                    number = 0;
                    features_.push_back(x.features[k]);
                }
            }
            indptr_.push_back(indptr_.back() + x.size);
        }
        std::sort(features_.begin(), features_.end());
        for (std::size_t f = 0; f < features_.size(); ++f)
            number_[static_cast<std::size_t>(features_[f])] = static_cast<std::int32_t>(f);
        indices_.resize(static_cast<std::size_t>(indptr_.back()));
        values_.resize(indices_.size());
        for (Index r = 0; r < n_rows; ++r) {
            const FeatureRow x = all.row(rows[r]);
            auto to = static_cast<std::size_t>(indptr_[static_cast<std::size_t>(r)]);
            for (Index k = 0; k < x.size; ++k, ++to) {
                indices_[to] = number_[static_cast<std::size_t>(x.features[k])];
                values_[to] = x.values[k];
            }
        }
        for (const std::int32_t f : features_) number_[static_cast<std::size_t>(f)] = -1;
    }

    SparseRows view() const {
        return {static_cast<Index>(indptr_.size()) - 1, static_cast<Index>(features_.size()), indptr_.data(),
                indices_.data(), values_.data()};
    }
    /// The old numbers of the features, ascending.
    const std::vector<std::int32_t>& features() const { return features_; }

  private:
    std::vector<std::int32_t> number_, features_, indices_;
    std::vector<Index> indptr_;
    std::vector<float> values_;
};

}  // namespace mlkit::trees
