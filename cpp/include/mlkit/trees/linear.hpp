#pragma once
// What the linear models of a tree minimise: LIBLINEAR's objectives,
//   1/2 |w|^2 + sum C_i max(0, 1 - y_i w.x_i)^2    (squared hinge)
//   1/2 |w|^2 + sum C_i ln(1 + exp(-y_i w.x_i))    (log),
// with the bias as the weight of a feature that is always 1; it is regularised like the others.

#include <cstdint>
#include <vector>

#include "mlkit/core/lanes.hpp"
#include "mlkit/trees/sparse_rows.hpp"

namespace mlkit::trees {

enum class Loss { squared_hinge, log };

struct LinearOptions {
    Loss loss = Loss::squared_hinge;
    double eps = 0.1;
    Index max_iter = 20;
};

/// Up to eight binary problems on the same examples. Masks have a bit for each problem: bit l belongs to problem l.
struct Problems {
    std::vector<std::int32_t> rows;
    std::vector<std::uint8_t> positive, known;  ///< of each example; where a problem does not know it, it is left out
    std::vector<double> weights;                ///< of each example, > 0
    double positive_cost[lanes::width] = {};    ///< of an error on an example of weight 1
    double negative_cost[lanes::width] = {};

    Index size() const { return static_cast<Index>(rows.size()); }
};

}  // namespace mlkit::trees
