#pragma once
// Eight linear models with squared hinge loss side by side, by dual coordinate descent with shrinking (Hsieh et al.,
// ICML 2008, Algorithm 3).
//
// The models of a node learn from the same examples, so eight of them walk over an example together: what they weigh a
// feature with lies side by side, and one instruction serves all eight. Each model puts examples of its own out of
// sight; an example is visited while one of the models still looks at it.

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "mlkit/core/rng.hpp"
#include "mlkit/trees/linear.hpp"

namespace mlkit::trees {

namespace detail {

using lanes::Lanes;
using lanes::detail::Vector;

/// What eight models know between passes over the examples.
struct HingeState {
    const SparseRows& x;
    const double* squared_norms;
    const std::int32_t* rows;
    const std::uint8_t* positive;
    const double* weights;  ///< of the examples
    std::uint8_t* in_sight;
    Lanes* alpha;
    Lanes* w;             ///< of each feature
    std::int32_t* order;  ///< of the examples; those that no model looks at are moved to the end
    Index n_order;
    unsigned running;     ///< models that have not settled
    unsigned hidden = 0;  ///< models that have put an example out of sight
    Lanes bias{};
    Lanes positive_diagonal{}, negative_diagonal{};  ///< 1 / (2 C)
    Lanes highest_before{};                          ///< of the projected gradients of the pass before
    Lanes highest{}, lowest{};
};

/// The bounds of one pass: what models compare their projected gradients with.
struct HingeBounds {
    Vector highest_before, highest, lowest;
};

/// One step of each model on an example. `amount` must be added to the weights of the models that are `stepping`; those
/// that are `leaving` need not look at the example again.
struct HingeStep {
    Vector is_positive, margin, diagonal, alpha, amount;
    double curvature;
    unsigned looking, stepping, leaving;

    MLKIT_INLINE void take(HingeBounds& bounds) {
        using lanes::detail::is_less;
        using lanes::detail::where_less;
        const Vector zero{}, one = 1.0 + zero, far = 1e300 * one;
        Vector is_used, is_moved, is_steep, is_large, up, moved;
        lanes::detail::from_bits(looking, is_used);
        const Vector sign = 2.0 * is_positive - one;
        const Vector gradient = sign * margin - one + alpha * diagonal;
        is_less(zero, alpha, is_moved);
        is_less(bounds.highest_before, gradient, is_steep);
        const Vector is_leaving = is_used * (one - is_moved) * is_steep;  // will stay at 0
        is_used = is_used - is_leaving;
        where_less(zero, gradient, gradient, zero, up);
        const Vector projected = gradient - (one - is_moved) * up;
        const Vector seen = is_used * projected, unseen = (one - is_used) * far;
        where_less(bounds.highest, seen - unseen, seen - unseen, bounds.highest, bounds.highest);
        where_less(seen + unseen, bounds.lowest, seen + unseen, bounds.lowest, bounds.lowest);
        is_less(1e-24 * one, projected * projected, is_large);
        const Vector is_stepping = is_used * is_large;
        moved = alpha - gradient / (curvature + diagonal);
        where_less(zero, moved, moved, zero, moved);
        const Vector change = is_stepping * (moved - alpha);
        amount = change * sign;
        alpha = alpha + change;
        const unsigned bits = lanes::detail::to_bits(is_stepping, is_leaving);
        stepping = bits & 255;
        leaving = bits >> lanes::width;
    }
};

/// One pass over the examples that any model looks at.
MLKIT_CLONES [[maybe_unused]] static void descend(HingeState& state) {
    const Vector zero{};
    Vector positive_diagonal, negative_diagonal, bias;
    HingeBounds bounds;
    lanes::detail::load(state.positive_diagonal, positive_diagonal);
    lanes::detail::load(state.negative_diagonal, negative_diagonal);
    lanes::detail::load(state.bias, bias);
    lanes::detail::load(state.highest_before, bounds.highest_before);
    lanes::detail::load(state.highest, bounds.highest);
    lanes::detail::load(state.lowest, bounds.lowest);
    for (Index s = 0; s < state.n_order;) {
        const std::int32_t i = state.order[s];
        HingeStep step;
        step.looking = state.in_sight[i] & state.running;
        if (step.looking == 0) {
            --state.n_order;
            std::swap(state.order[s], state.order[state.n_order]);
            continue;
        }
        ++s;
        const FeatureRow row = state.x.row(state.rows[i]);
        Vector even = bias, odd{};  // two sums: one alone would wait for each addition to end
        Index k = 0;
        for (; k + 2 <= row.size; k += 2) {
            lanes::detail::add_multiple(even, state.w[row.features[k]], static_cast<double>(row.values[k]));
            lanes::detail::add_multiple(odd, state.w[row.features[k + 1]], static_cast<double>(row.values[k + 1]));
        }
        if (k < row.size)
            lanes::detail::add_multiple(even, state.w[row.features[k]], static_cast<double>(row.values[k]));
        step.margin = even + odd;
        lanes::detail::load(state.alpha[i], step.alpha);
        lanes::detail::from_bits(state.positive[i], step.is_positive);
        step.diagonal = step.is_positive * positive_diagonal + (1.0 + zero - step.is_positive) * negative_diagonal;
        if (state.weights[i] != 1.0) step.diagonal = (1.0 / state.weights[i]) * step.diagonal;
        step.curvature = state.squared_norms[state.rows[i]] + 1.0;
        step.take(bounds);
        state.in_sight[i] = static_cast<std::uint8_t>(state.in_sight[i] & ~step.leaving);
        state.hidden |= step.leaving;
        if (step.stepping == 0) continue;
        lanes::detail::store(step.alpha, state.alpha[i]);
        for (k = 0; k < row.size; ++k) {
            Lanes& w = state.w[row.features[k]];
            Vector sum;
            lanes::detail::load(w, sum);
            sum = sum + static_cast<double>(row.values[k]) * step.amount;
            lanes::detail::store(sum, w);
        }
        bias = bias + step.amount;
    }
    lanes::detail::store(bounds.highest, state.highest);
    lanes::detail::store(bounds.lowest, state.lowest);
    lanes::detail::store(bias, state.bias);
}

}  // namespace detail

/// Solves eight problems at once, again and again; one for each thread.
class HingeSolver {
  public:
    explicit HingeSolver(const LinearOptions& options) : options_(options) {}

    /// Weights and biases of the problems whose bits are in `wanted`; returns the number of passes over the examples,
    /// before each of which it calls look().
    /// min over alpha >= 0 of 1/2 |sum alpha_i y_i x_i|^2 + sum alpha_i^2 / (4 C_i) - sum alpha_i.
    template <class Look>
    Index solve(const SparseRows& x, const double* squared_norms, const Problems& problems, unsigned wanted,
                Random random, Look&& look) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        const std::size_t n = problems.rows.size();
        w_.assign(static_cast<std::size_t>(x.n_features), lanes::Lanes{});
        alpha_.assign(n, lanes::Lanes{});
        in_sight_ = problems.known;
        order_.resize(n);
        std::iota(order_.begin(), order_.end(), 0);
        detail::HingeState state{x,
                                 squared_norms,
                                 problems.rows.data(),
                                 problems.positive.data(),
                                 problems.weights.data(),
                                 in_sight_.data(),
                                 alpha_.data(),
                                 w_.data(),
                                 order_.data(),
                                 problems.size(),
                                 wanted};
        for (int l = 0; l < lanes::width; ++l) {
            const bool is_wanted = (wanted >> l & 1) != 0;
            state.positive_diagonal.v[l] = is_wanted ? 0.5 / problems.positive_cost[l] : 1.0;
            state.negative_diagonal.v[l] = is_wanted ? 0.5 / problems.negative_cost[l] : 1.0;
            state.highest_before.v[l] = infinity;
        }
        Index n_passes = 0;
        while (state.running && n_passes < options_.max_iter) {
            ++n_passes;
            look();
            for (int l = 0; l < lanes::width; ++l) {
                state.highest.v[l] = -infinity;
                state.lowest.v[l] = infinity;
            }
            random.shuffle(order_.data(), state.n_order);
            detail::descend(state);
            for (int l = 0; l < lanes::width; ++l) {
                const unsigned bit = 1U << l;
                if (!(state.running & bit)) continue;
                const double high = state.highest.v[l];
                state.highest_before.v[l] = high > 0.0 ? high : infinity;
                if (high - state.lowest.v[l] > options_.eps) continue;
                if (!(state.hidden & bit)) {
                    state.running &= ~bit;
                    continue;
                }
                for (std::size_t i = 0; i < n; ++i)  // what was out of sight must agree
                    in_sight_[i] = static_cast<std::uint8_t>(in_sight_[i] | (problems.known[i] & bit));
                state.hidden &= ~bit;
                state.highest_before.v[l] = infinity;
                state.n_order = problems.size();
            }
        }
        bias_ = state.bias;
        return n_passes;
    }

    double weight(Index feature, int lane) const { return w_[static_cast<std::size_t>(feature)].v[lane]; }
    double bias(int lane) const { return bias_.v[lane]; }

  private:
    LinearOptions options_;
    std::vector<lanes::Lanes> w_, alpha_;
    std::vector<std::uint8_t> in_sight_;
    std::vector<std::int32_t> order_;
    lanes::Lanes bias_{};
};

}  // namespace mlkit::trees
