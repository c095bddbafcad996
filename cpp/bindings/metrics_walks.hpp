#pragma once
// What the bindings of the metrics share: weights of rows, and walks over truth beside a prediction.

#include "mlkit/metrics/sets.hpp"
#include "numpy_views.hpp"

namespace mlkit::bindings {

using Doubles = Array<double>;
using Units = std::optional<Array<std::uint64_t>>;
using Weights = std::optional<Doubles>;

template <class T>
auto* pointer(const std::optional<Array<T>>& array) {
    return array ? array->data() : nullptr;
}

inline metrics::RowWeights row_weights(const Units& units, Index n_rows) {
    require(!units || units->size() == n_rows, "weights: expected one for each row");
    return {pointer(units)};
}

inline auto walk_labels(const Labels& truth, const Labels& predicted) {
    require(truth.view.n_rows == predicted.view.n_rows && truth.view.n_labels == predicted.view.n_labels,
            "truth and prediction differ in shape");
    return
        [&](const Team& team, auto&& body) { metrics::for_each_predicted_row(truth.view, predicted.view, team, body); };
}

inline auto walk_scores(const Labels& truth, const ScoreArrays& scores, const Doubles& cut) {
    require(cut.size() == truth.view.n_labels, "cut: expected one for each label");
    return [cells = cells_of(truth, scores), cuts = cut.data()](const Team& team, auto&& body) {
        metrics::for_each_predicted_row(cells, cuts, team, body);
    };
}

}  // namespace mlkit::bindings
