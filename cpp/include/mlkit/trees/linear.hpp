#pragma once
// Binary linear models by dual coordinate descent: L2-regularised squared hinge loss (Hsieh et al., ICML 2008,
// Algorithm 3, with shrinking) and logistic loss (Yu, Huang, Lin, Machine Learning 85, 2011, Algorithm 5). The
// objectives are LIBLINEAR's, the bias is the weight of a feature that is always 1 and is regularised like the others.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "mlkit/core/rng.hpp"
#include "mlkit/trees/sparse_rows.hpp"

namespace mlkit::trees {

enum class Loss { squared_hinge, log };

struct LinearOptions {
    Loss loss = Loss::squared_hinge;
    double eps = 0.1;
    Index max_iter = 20;
};

/// Examples of one binary problem: numbers of rows, their signs, and what an error costs.
struct BinaryProblem {
    std::vector<std::int32_t> rows;
    std::vector<std::int8_t> signs;
    std::vector<double> costs;

    void clear() {
        rows.clear();
        signs.clear();
        costs.clear();
    }
    void add(std::int32_t row, int sign, double cost) {
        rows.push_back(row);
        signs.push_back(static_cast<std::int8_t>(sign));
        costs.push_back(cost);
    }
    Index size() const { return static_cast<Index>(rows.size()); }
};

/// Solves one problem after the other; one for each thread.
class LinearSolver {
  public:
    explicit LinearSolver(const LinearOptions& options) : options_(options) {}

    /// Weights and bias of the solution; returns the number of passes over the data.
    Index solve(const SparseRows& x, const double* squared_norms, const BinaryProblem& problem, Random random) {
        w_.assign(static_cast<std::size_t>(x.n_features), 0.0);
        bias_ = 0.0;
        order_.clear();
        for (Index i = 0; i < problem.size(); ++i)
            if (problem.costs[static_cast<std::size_t>(i)] > 0.0) order_.push_back(static_cast<std::int32_t>(i));
        return options_.loss == Loss::log ? solve_log(x, squared_norms, problem, random)
                                          : solve_squared_hinge(x, squared_norms, problem, random);
    }

    const std::vector<double>& weights() const { return w_; }
    double bias() const { return bias_; }

  private:
    void step(const FeatureRow& x, double amount) {
        add_scaled(amount, x, w_.data());
        bias_ += amount;
    }

    /// min over alpha >= 0 of 1/2 |sum alpha_i y_i x_i|^2 + sum alpha_i^2 / (4 C_i) - sum alpha_i.
    Index solve_squared_hinge(const SparseRows& x, const double* squared_norms, const BinaryProblem& problem,
                              Random& random) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        alpha_.assign(problem.rows.size(), 0.0);
        const auto n = static_cast<Index>(order_.size());
        Index n_active = n;
        double highest_before = infinity;  // of the projected gradients of the pass before
        for (Index pass = 1; pass <= options_.max_iter; ++pass) {
            double highest = -infinity, lowest = infinity;
            random.shuffle(order_.data(), n_active);
            for (Index s = 0; s < n_active; ++s) {
                const auto i = static_cast<std::size_t>(order_[static_cast<std::size_t>(s)]);
                const FeatureRow row = x.row(problem.rows[i]);
                const double sign = problem.signs[i], diagonal = 0.5 / problem.costs[i];
                const double gradient = sign * (dot(row, w_.data()) + bias_) - 1.0 + alpha_[i] * diagonal;
                if (alpha_[i] == 0.0 && gradient > highest_before) {  // will stay at 0: out of sight until the end
                    --n_active;
                    std::swap(order_[static_cast<std::size_t>(s)], order_[static_cast<std::size_t>(n_active)]);
                    --s;
                    continue;
                }
                const double projected = alpha_[i] == 0.0 ? std::min(gradient, 0.0) : gradient;
                highest = std::max(highest, projected);
                lowest = std::min(lowest, projected);
                if (std::abs(projected) > 1e-12) {
                    const double before = alpha_[i];
                    const double curvature = squared_norms[problem.rows[i]] + 1.0 + diagonal;
                    alpha_[i] = std::max(before - gradient / curvature, 0.0);
                    step(row, (alpha_[i] - before) * sign);
                }
            }
            if (n_active == 0 || highest - lowest <= options_.eps) {
                if (n_active == n) return pass;
                n_active = n;  // what was out of sight must agree
                highest_before = infinity;
                continue;
            }
            highest_before = highest > 0.0 ? highest : infinity;
        }
        return options_.max_iter;
    }

    /// min over 0 < alpha_i < C_i of 1/2 |sum alpha_i y_i x_i|^2 + sum alpha_i ln alpha_i + (C_i - alpha_i) ln(C_i -
    /// alpha_i).
    Index solve_log(const SparseRows& x, const double* squared_norms, const BinaryProblem& problem, Random& random) {
        alpha_.assign(problem.rows.size(), 0.0);
        const auto n = static_cast<Index>(order_.size());
        for (const std::int32_t o : order_) {
            const auto i = static_cast<std::size_t>(o);
            alpha_[i] = std::min(0.001 * problem.costs[i], 1e-8);
            step(x.row(problem.rows[i]), alpha_[i] * problem.signs[i]);
        }
        double newton_eps = std::min(1e-2, options_.eps);
        for (Index pass = 1; pass <= options_.max_iter; ++pass) {
            double largest = 0.0;
            Index n_steps = 0;
            random.shuffle(order_.data(), n);
            for (Index s = 0; s < n; ++s) {
                const auto i = static_cast<std::size_t>(order_[static_cast<std::size_t>(s)]);
                const FeatureRow row = x.row(problem.rows[i]);
                const double sign = problem.signs[i], cost = problem.costs[i];
                const double a = squared_norms[problem.rows[i]] + 1.0, b = sign * (dot(row, w_.data()) + bias_);
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

    LinearOptions options_;
    std::vector<double> w_, alpha_;
    std::vector<std::int32_t> order_;
    double bias_ = 0.0;
};

}  // namespace mlkit::trees
