#pragma once
// Label sets y with r' M r <= tau, r = |y - p|: the lattice points of a box inside an ellipsoid. Since r is affine in y
// this is sphere decoding (Fincke & Pohst 1985) with two values for each coordinate. Two changes make it visit little
// more than what it returns: only dear values recurse, the chain of cheap ones is a loop; and a diagonal part s diag(M)
// of M is split off, whose cheapest completion is known and bounds what is still to come.

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "mlkit/conformal/count.hpp"
#include "mlkit/core/cells.hpp"

namespace mlkit::conformal {

/// A fitted M: itself, its upper Cholesky factor (M = U'U), and a share s for which M - s diag(M) is still positive
/// definite. Row-major, n_labels x n_labels.
struct QuadraticForm {
    Index n_labels = 0;
    const double* precision = nullptr;
    const double* upper = nullptr;
    double split = 0.0;

    /// The score of errors r, added in one order always: calibration, membership and doubtful leaves agree on every
    /// bit.
    double score(const double* r) const {
        double total = 0.0;
        for (Index i = 0; i < n_labels; ++i) {
            const double* row = upper + i * n_labels;
            double t = 0.0;
            for (Index j = i; j < n_labels; ++j) t += row[j] * r[j];
            total += t * t;
        }
        return total;
    }
};

/// The search for one example after the other; owns the memory for it.
class FlipSearch {
  public:
    explicit FlipSearch(const QuadraticForm& form)
        : form_(form),
          n_(form.n_labels),
          m_(n_, n_),
          factor_(Eigen::MatrixXd::Identity(n_, n_)),
          sums_(static_cast<std::size_t>((n_ + 1) * n_)) {
        for (auto* v : {&lo_, &hi_, &d_lo_, &d_hi_, &rest_, &errors_}) v->resize(static_cast<std::size_t>(n_ + 1));
        order_.resize(static_cast<std::size_t>(n_));
        forced_.assign(static_cast<std::size_t>(n_), free);
        level_of_.resize(static_cast<std::size_t>(n_));
        cheap_.resize(static_cast<std::size_t>(n_));
        set_.resize(static_cast<std::size_t>(n_));
    }

    /// Takes an example's probabilities; the dearest labels are decided first.
    void load(const double* p) {
        p_.assign(p, p + n_);
        std::iota(order_.begin(), order_.end(), Index{0});
        const auto weight = [&](Index k) {
            return std::abs(1.0 - 2.0 * p[k]) * std::sqrt(form_.precision[k * n_ + k]);
        };
        std::stable_sort(order_.begin(), order_.end(), [&](Index a, Index b) { return weight(a) < weight(b); });
        double trace = 0.0;
        rest_[0] = 0.0;
        for (Index i = 0; i < n_; ++i) {
            const Index k = order_[at(i)];
            level_of_[at(k)] = i;
            cheap_[at(k)] = p[k] > 0.5;
            lo_[at(i)] = std::min(p[k], 1.0 - p[k]);
            hi_[at(i)] = 1.0 - lo_[at(i)];
            const double m = form_.precision[k * n_ + k];
            d_lo_[at(i)] = form_.split * m * lo_[at(i)] * lo_[at(i)];
            d_hi_[at(i)] = form_.split * m * hi_[at(i)] * hi_[at(i)];
            rest_[at(i + 1)] = rest_[at(i)] + d_lo_[at(i)];
            trace += m;
            for (Index j = 0; j < n_; ++j) m_(i, j) = form_.precision[k * n_ + order_[at(j)]];
            m_(i, i) = m * (1.0 - form_.split);
        }
        noise_ = 1e-13 * static_cast<double>(n_) * trace;
        factor_.compute(m_);
        r_ = factor_.matrixU();
    }

    /// visit(set, score) for each label set (one byte for each label) whose score is at most tau, until it returns
    /// false; the visitor may lower tau. Forced labels keep their value. Scores have the last bit right where `ranked`.
    template <class Visit>
    void walk(double& tau, Visit&& visit, bool ranked = false) {
        ranked_ = ranked;
        for (Index i = 0; i < n_; ++i) {
            double t = 0.0;
            for (Index j = i + 1; j < n_; ++j) t += r_(i, j) * lo_[at(j)];
            sums_[at(i)] = t;
            set_[at(order_[at(i)])] = cheap_[at(order_[at(i)])];
        }
        is_going_ = true;
        descend(n_, 0, 0.0, tau, visit);
    }

    void force(Index label, bool value) {
        forced_[at(level_of_[at(label)])] = value == static_cast<bool>(cheap_[at(label)]) ? cheap : dear;
    }
    void release(Index label) { forced_[at(level_of_[at(label)])] = free; }

    /// The score of the cheapest set (with forced labels as they are), which is left in `best`.
    double minimise(std::uint8_t* best) {
        for (Index i = 0; i < n_; ++i) {
            const Index k = order_[at(i)];
            best[k] = forced_[at(i)] == dear ? !cheap_[at(k)] : cheap_[at(k)];
        }
        double tau = score_of(best);
        double least = tau;
        skips_even_ = true;  // a label at 1/2 costs the same either way: one of both is enough
        walk(
            tau,
            [&](const std::uint8_t* set, double score) {
                if (score < least || (score == least && std::lexicographical_compare(set, set + n_, best, best + n_))) {
                    least = score;
                    std::copy(set, set + n_, best);
                    tau = score;
                }
                return true;
            },
            true);
        skips_even_ = false;
        return least;
    }

    double score_of(const std::uint8_t* set) {
        for (Index k = 0; k < n_; ++k) errors_[at(k)] = std::abs(static_cast<double>(set[k]) - p_[at(k)]);
        return form_.score(errors_.data());
    }

    /// Bounds the number of sets by that of a separable score which is nowhere larger: the diagonal part alone.
    BigCount upper_bound(double tau, const CountLimits& limits) const {
        const double budget = (tau - rest_[at(n_)]) / tau;
        std::vector<Cost> costs;
        for (Index i = 0; i < n_; ++i)
            costs.push_back(static_cast<Cost>(std::min(2.0, (d_hi_[at(i)] - d_lo_[at(i)]) / tau) * 0x1p40));
        std::sort(costs.begin(), costs.end());
        const auto most = static_cast<Cost>(std::max(0.0, budget) * 0x1p40) + 2;
        return count_subsets(costs, most, limits).upper;
    }

  private:
    double doubt(double tau) const { return 1e-10 * tau + noise_; }

    enum : std::uint8_t { free, cheap, dear };
    static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

    template <class Visit>
    void descend(Index level, Index depth, double spent, double& tau, Visit& visit) {
        const double* t = sums_.data() + depth * n_;
        double* below = sums_.data() + (depth + 1) * n_;
        for (Index i = level - 1; i >= 0; --i) {
            const Index k = order_[at(i)];
            const double limit = tau + doubt(tau);
            const bool is_even = skips_even_ && forced_[at(i)] == free && hi_[at(i)] == lo_[at(i)];
            if (forced_[at(i)] != cheap && !is_even) {
                const double inner = t[i] + r_(i, i) * hi_[at(i)];
                const double dearer = spent + inner * inner + d_hi_[at(i)];
                if (dearer + rest_[at(i)] <= limit) {
                    const double gap = hi_[at(i)] - lo_[at(i)];
                    const double* column = r_.data() + i * n_;
                    for (Index q = 0; q < i; ++q) below[q] = t[q] + column[q] * gap;
                    set_[at(k)] ^= 1;
                    descend(i, depth + 1, dearer, tau, visit);
                    set_[at(k)] ^= 1;
                    if (!is_going_) return;
                }
            }
            if (forced_[at(i)] == dear) return;
            const double inner = t[i] + r_(i, i) * lo_[at(i)];
            spent += inner * inner + d_lo_[at(i)];
            if (spent + rest_[at(i)] > limit) return;
        }
        // where rounding could tip the balance, and wherever scores are ranked, the one routine decides
        const double score = ranked_ || spent > tau - doubt(tau) ? score_of(set_.data()) : spent;
        if (score <= tau) is_going_ = visit(set_.data(), score);
    }

    const QuadraticForm form_;
    Index n_;
    Eigen::MatrixXd m_, r_;
    Eigen::LLT<Eigen::MatrixXd, Eigen::Upper> factor_;
    std::vector<double> sums_, lo_, hi_, d_lo_, d_hi_, rest_, errors_, p_;
    std::vector<Index> order_, level_of_;
    std::vector<std::uint8_t> forced_, cheap_, set_;
    double noise_ = 0.0;
    bool is_going_ = true, ranked_ = false, skips_even_ = false;
};

namespace quadratic {

/// body(search, i) for every row of dense probabilities, the search loaded with it.
template <class Body>
void for_each_search(const Scores& scores, Index n_rows, const QuadraticForm& form, const Team& team, Body&& body) {
    std::vector<FlipSearch> searches(static_cast<std::size_t>(team.n_threads), FlipSearch(form));
    const auto& dense = std::get<DenseScores>(scores);
    for_each_range(n_rows, 1, team, [&](Index i, Index end, int thread) {
        DenseReader reader(dense);
        reader.load(i, end);
        FlipSearch& search = searches[static_cast<std::size_t>(thread)];
        search.load(reader.row(i).p);
        body(search, i);
    });
}

/// Scores of given label sets.
inline void score_sets(const Cells& cells, const QuadraticForm& form, const Team& whole, double* out) {
    const Team team = whole.for_work(cells.labels.n_rows * form.n_labels * form.n_labels);
    for_each_row(cells, team, [&](int, Index i, const LabelRow& labels, const auto& row) {
        std::vector<double> errors(static_cast<std::size_t>(form.n_labels), 0.0);
        for (Index k = 0; k < row.size; ++k) {
            std::int32_t label = static_cast<std::int32_t>(k);
            if constexpr (std::is_same_v<std::decay_t<decltype(row)>, SparseRow>) label = row.labels[k];
            errors[static_cast<std::size_t>(label)] = row.p[k];
        }
        for (Index k = 0; k < labels.size; ++k) {
            double& e = errors[static_cast<std::size_t>(labels.labels[k])];
            if (labels.value(k) == 1) e = 1.0 - e;
        }
        out[i] = form.score(errors.data());
    });
}

/// The best set of each row and its score; and the score of the best set that contradicts it in each label.
inline void best_sets(const Scores& scores, Index n_rows, const QuadraticForm& form, const Team& team,
                      std::uint8_t* best, double* score, double* flipped) {
    const Index n = form.n_labels;
    for_each_search(scores, n_rows, form, team, [&](FlipSearch& search, Index i) {
        std::uint8_t* set = best + i * n;
        score[i] = search.minimise(set);
        if (!flipped) return;
        std::vector<std::uint8_t> other(static_cast<std::size_t>(n));
        for (Index k = 0; k < n; ++k) {
            search.force(k, !set[k]);
            flipped[i * n + k] = search.minimise(other.data());
            search.release(k);
        }
    });
}

/// Of each label 0 (in no set within the row's threshold), 1 (in all), 2 (in some; also where there is no set).
inline void project(const Scores& scores, Index n_rows, const QuadraticForm& form, const double* thresholds,
                    const Team& team, std::uint8_t* out) {
    const Index n = form.n_labels;
    for_each_search(scores, n_rows, form, team, [&](FlipSearch& search, Index i) {
        std::vector<std::uint8_t> seen(static_cast<std::size_t>(2 * n), 0);
        double tau = thresholds[i];
        const auto find = [&] {
            search.walk(tau, [&](const std::uint8_t* set, double) {
                for (Index k = 0; k < n; ++k) seen[static_cast<std::size_t>(2 * k + set[k])] = 1;
                return false;
            });
        };
        if (std::isinf(tau)) {
            std::fill(out + i * n, out + (i + 1) * n, std::uint8_t{2});
            return;
        }
        find();
        for (Index k = 0; k < n; ++k)
            for (int value = 0; value < 2; ++value)
                if (!seen[static_cast<std::size_t>(2 * k + value)]) {
                    search.force(k, value);
                    find();
                    search.release(k);
                }
        for (Index k = 0; k < n; ++k) {
            const bool zero = seen[static_cast<std::size_t>(2 * k)], one = seen[static_cast<std::size_t>(2 * k + 1)];
            out[i * n + k] = zero == one ? 2 : one;
        }
    });
}

/// Numbers of sets within each row's threshold: exactly up to `most`, beyond that bounds.
inline std::vector<SizeBound> count_regions(const Scores& scores, Index n_rows, const QuadraticForm& form,
                                            const double* thresholds, Index most, const CountLimits& limits,
                                            const Team& team) {
    std::vector<SizeBound> sizes(static_cast<std::size_t>(n_rows));
    for_each_search(scores, n_rows, form, team, [&](FlipSearch& search, Index i) {
        SizeBound& size = sizes[static_cast<std::size_t>(i)];
        double tau = thresholds[i];
        if (std::isinf(tau)) {
            if (tau > 0) size.lower = size.upper = BigCount::power_of_two(form.n_labels);
            return;
        }
        Index n = 0;
        bool is_complete = true;
        search.walk(tau, [&](const std::uint8_t*, double) {
            if (n == most) return is_complete = false;
            ++n;
            return true;
        });
        size.lower = size.upper = BigCount(static_cast<std::uint64_t>(n));
        if (!is_complete) {
            size.lower = BigCount(static_cast<std::uint64_t>(n + 1));
            size.upper = search.upper_bound(tau, limits);
        }
    });
    return sizes;
}

/// The sets of one row within a threshold, up to `most` of them, one byte for each label, and their scores.
inline void list_sets(const Scores& scores, const QuadraticForm& form, double threshold, Index most,
                      std::vector<std::uint8_t>& sets, std::vector<double>& found) {
    for_each_search(scores, 1, form, Team{}, [&](FlipSearch& search, Index) {
        search.walk(
            threshold,
            [&](const std::uint8_t* set, double score) {
                if (static_cast<Index>(found.size()) == most) return false;
                sets.insert(sets.end(), set, set + form.n_labels);
                found.push_back(score);
                return true;
            },
            true);
    });
}

}  // namespace quadratic

}  // namespace mlkit::conformal
