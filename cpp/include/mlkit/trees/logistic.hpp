#pragma once
// Linear models with logistic loss by dual coordinate descent (Yu, Huang, Lin, Machine Learning 85, 2011, Algorithm 5).

#include <algorithm>
#include <cmath>
#include <vector>

#include "mlkit/core/rng.hpp"
#include "mlkit/trees/linear.hpp"

namespace mlkit::trees {

/// Solves one problem after the other; one for each thread.
class LogisticSolver {
  public:
    explicit LogisticSolver(const LinearOptions& options) : options_(options) {}

    /// Weights and bias of problem `lane`; returns the number of passes over its examples, before each of which it
    /// calls look().
    /// min over 0 < alpha_i < C_i of 1/2 |sum alpha_i y_i x_i|^2 + sum alpha_i ln alpha_i + (C_i - alpha_i) ln(C_i -
    /// alpha_i).
    template <class Look>
    Index solve(const SparseRows& x, const double* squared_norms, const Problems& problems, int lane, Random random,
                Look&& look) {
        w_.assign(static_cast<std::size_t>(x.n_features), 0.0);
        bias_ = 0.0;
        alpha_.assign(problems.rows.size(), 0.0);
        order_.clear();
        const auto has = [lane](const std::vector<std::uint8_t>& masks, std::size_t i) { return masks[i] >> lane & 1; };
        const auto cost_of = [&](std::size_t i) {
            return problems.weights[i] *
                   (has(problems.positive, i) ? problems.positive_cost : problems.negative_cost)[lane];
        };
        for (Index i = 0; i < problems.size(); ++i)
            if (has(problems.known, static_cast<std::size_t>(i))) order_.push_back(static_cast<std::int32_t>(i));
        const auto n = static_cast<Index>(order_.size());
        for (const std::int32_t o : order_) {
            const auto i = static_cast<std::size_t>(o);
            alpha_[i] = std::min(0.001 * cost_of(i), 1e-8);
            step(x.row(problems.rows[i]), has(problems.positive, i) ? alpha_[i] : -alpha_[i]);
        }
        double newton_eps = std::min(1e-2, options_.eps);
        for (Index pass = 1; pass <= options_.max_iter; ++pass) {
            look();
            double largest = 0.0;
            Index n_steps = 0;
            random.shuffle(order_.data(), n);
            for (const std::int32_t o : order_) {
                const auto i = static_cast<std::size_t>(o);
                const FeatureRow row = x.row(problems.rows[i]);
                const double sign = has(problems.positive, i) ? 1.0 : -1.0, cost = cost_of(i);
                const double a = squared_norms[problems.rows[i]] + 1.0, b = sign * (dot(row, w_.data()) + bias_);
                // Newton's method on the smaller of alpha and C - alpha, whose logarithm is the steep one.
                const bool is_mirrored = 0.5 * a * (cost - 2.0 * alpha_[i]) + b < 0.0;
                const double start = is_mirrored ? cost - alpha_[i] : alpha_[i], slope = is_mirrored ? -b : b;
                double z = cost - start < 0.5 * cost ? 0.1 * start : start;
                double gradient = a * (z - start) + slope + std::log(z / (cost - z));
                largest = std::max(largest, std::abs(gradient));
                for (int k = 0; k < 100 && std::abs(gradient) >= newton_eps; ++k, ++n_steps) {
                    const double moved = z - gradient / (a + cost / ((cost - z) * z));
                    z = moved <= 0.0 ? 0.1 * z : moved;
                    gradient = a * (z - start) + slope + std::log(z / (cost - z));
                }
                const double now = is_mirrored ? cost - z : z;
                if (now != alpha_[i]) {
                    step(row, (now - alpha_[i]) * sign);
                    alpha_[i] = now;
                }
            }
            if (largest < options_.eps) return pass;
            if (n_steps <= n / 10) newton_eps = std::max(1e-12, 0.1 * newton_eps);
        }
        return options_.max_iter;
    }

    double weight(Index feature) const { return w_[static_cast<std::size_t>(feature)]; }
    double bias() const { return bias_; }

  private:
    void step(const FeatureRow& x, double amount) {
        add_scaled(amount, x, w_.data());
        bias_ += amount;
    }

    LinearOptions options_;
    std::vector<double> w_, alpha_;
    std::vector<std::int32_t> order_;
    double bias_ = 0.0;
};

}  // namespace mlkit::trees
