#pragma once
// Label sets y with r' M r <= tau, r = |y - p|: the lattice points of a box inside an ellipsoid. Since r is affine in y
// this is sphere decoding (Fincke & Pohst 1985) with two values for each coordinate. Two changes make it visit little
// more than what it returns: only dear values recurse, the chain of cheap ones is a loop; and a diagonal part s diag(M)
// of M is split off, whose cheapest completion is known and bounds what is still to come.

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "mlkit/conformal/count.hpp"
#include "mlkit/core/cells.hpp"

namespace mlkit::conformal {

class FlipSearch;

/// A fitted M: itself, its upper Cholesky factor (M = U'U), and shares s, b for which M - s diag(M) and b diag(M) - M
/// are positive definite. Row-major, n_labels x n_labels.
struct QuadraticForm {
    using Number = double;
    using Search = FlipSearch;

    Index n_labels = 0;
    const double* precision = nullptr;
    const double* upper = nullptr;
    double split = 0.0;
    double majorant = 0.0;

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
          sums_(static_cast<std::size_t>((n_ + 1) * n_)),
          before_(sums_.size()) {
        for (auto* v : {&lo_, &hi_, &on_lo_, &on_hi_, &d_lo_, &d_hi_, &rest_, &errors_})
            v->resize(static_cast<std::size_t>(n_ + 1));
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
        for (Index i = 0; i < n_; ++i) {
            on_lo_[at(i)] = r_(i, i) * lo_[at(i)];
            on_hi_[at(i)] = r_(i, i) * hi_[at(i)];
        }
    }

    /// visit(set, score) for each label set (one byte for each label) whose score is at most tau, until it returns
    /// false; the visitor may lower tau. Forced labels keep their value. Scores have the last bit right where `ranked`.
    template <class Visit>
    void walk(double& tau, Visit&& visit, bool ranked = false) {
        ranked_ = ranked;
        start();
        is_going_ = true;
        descend(n_, 0, 0.0, tau, visit);
    }

    /// How many sets score at most tau; nothing when there are more than `most`. The least dear labels are decided
    /// together, in all combinations at once. pause() is called now and then.
    template <class Pause>
    std::optional<std::uint64_t> count(double tau, Index most, const Pause& pause) {
        n_block_ = std::min<Index>(n_, n_together);
        for (std::size_t s = 0; s < n_combinations; ++s) {
            const auto error = [&](Index i) { return s >> i & 1 ? hi_[at(i)] : lo_[at(i)]; };
            double apart = s >> n_block_ ? std::numeric_limits<double>::infinity() : 0.0;
            for (Index i = 0; i < n_block_; ++i) {
                apart += s >> i & 1 ? d_hi_[at(i)] : d_lo_[at(i)];
                double inner = r_(i, i) * error(i);
                for (Index j = i + 1; j < n_block_; ++j) inner += r_(i, j) * (error(j) - lo_[at(j)]);
                inner_[at(i)][s] = inner;
            }
            apart_[s] = apart;
        }
        start();
        Tally tally{tau, tau - doubt(tau), tau + doubt(tau), 0, static_cast<std::uint64_t>(most), 0};
        add_up(n_, 0, 0.0, tally, pause);
        if (tally.n > tally.most) return std::nullopt;
        return tally.n;
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

    double highest_score() const {
        double most = 0.0;
        for (Index i = 0; i < n_; ++i) {
            const Index k = order_[at(i)];
            most += form_.majorant * form_.precision[k * n_ + k] * hi_[at(i)] * hi_[at(i)];
        }
        return most;
    }
    double score_of(const std::uint8_t* set) {
        for (Index k = 0; k < n_; ++k) errors_[at(k)] = std::abs(static_cast<double>(set[k]) - p_[at(k)]);
        return form_.score(errors_.data());
    }

    /// Of each label 0 (in no set within tau), 1 (in all), 2 (in some; also where there is no set): by looking for a
    /// set with each value that no set found so far has.
    void project(double tau, std::uint8_t* out) {
        seen_.assign(static_cast<std::size_t>(2 * n_), 0);
        const auto find = [&] {
            walk(tau, [&](const std::uint8_t* set, double) {
                for (Index k = 0; k < n_; ++k) seen_[at(2 * k + set[k])] = 1;
                return false;
            });
        };
        find();
        for (Index k = 0; k < n_; ++k)
            for (int value = 0; value < 2; ++value)
                if (!seen_[at(2 * k + value)]) {
                    force(k, value);
                    find();
                    release(k);
                }
        for (Index k = 0; k < n_; ++k) {
            const bool zero = seen_[at(2 * k)], one = seen_[at(2 * k + 1)];
            out[k] = zero == one ? 2 : one;
        }
    }

    std::optional<SizeBound> known_size(double, const CountLimits&) const { return std::nullopt; }
    /// The number of sets is at most that of a separable score which is nowhere larger (the diagonal part alone), and
    /// at least that of one which is nowhere smaller (a multiple of the diagonal).
    BigCount upper_bound(double tau, const CountLimits& limits) const {
        return count_diagonal(form_.split, tau, false, limits).upper;
    }
    BigCount lower_bound(double tau, const CountLimits& limits) const {
        return count_diagonal(form_.majorant, tau, true, limits).lower;
    }

  private:
    /// The state before any label is decided: sums over cheap values alone.
    void start() {
        for (Index i = 0; i < n_; ++i) {
            double t = 0.0;
            for (Index j = i + 1; j < n_; ++j) t += r_(i, j) * lo_[at(j)];
            sums_[at(i)] = t;
            set_[at(order_[at(i)])] = cheap_[at(order_[at(i)])];
        }
    }

    double doubt(double tau) const { return 1e-10 * tau + noise_; }

    enum : std::uint8_t { free, cheap, dear };
    static std::size_t at(Index i) { return static_cast<std::size_t>(i); }

    /// Sets for which share * sum M_kk r_k^2 <= tau, costs rounded in or against their favour.
    SizeBound count_diagonal(double share, double tau, bool against, const CountLimits& limits) const {
        constexpr double unit = 0x1p40, slack = 0x1p12;  // of tau; far more than doubles round
        double least = 0.0;
        std::vector<Cost> costs;
        for (Index i = 0; i < n_; ++i) {
            const Index k = order_[at(i)];
            const double m = share * form_.precision[k * n_ + k] / tau;
            least += m * lo_[at(i)] * lo_[at(i)];
            const double more = m * (hi_[at(i)] * hi_[at(i)] - lo_[at(i)] * lo_[at(i)]);
            costs.push_back(static_cast<Cost>(std::min(2.0, more) * unit) + against);
        }
        std::sort(costs.begin(), costs.end());
        const double budget = (1.0 - least) * unit + (against ? -slack : slack);
        if (budget < 0) return {};
        return count_subsets(costs, static_cast<Cost>(budget), limits);
    }

    /// A count under way.
    struct Tally {
        double tau, surely, possibly;  ///< what is between the last two is decided by the one routine
        std::uint64_t n, most, next_pause;
    };

    /// Adds the sets in which labels from `level` on are decided, and `spent` on.
    template <class Pause>
    void add_up(Index level, Index depth, double spent, Tally& tally, const Pause& pause) {
        const double* t = sums_.data() + depth * n_;
        double* below = sums_.data() + (depth + 1) * n_;
        double* before = before_.data() + depth * n_;
        Index i = level - 1;
        for (; i >= n_block_; --i) {  // the cheap value everywhere, as far as that fits
            before[i] = spent;
            const double inner = t[i] + on_lo_[at(i)];
            spent += inner * inner + d_lo_[at(i)];
            if (spent + rest_[at(i)] > tally.possibly) break;
        }
        if (i < n_block_) {
            add_combinations(t, spent, tally);
            if (tally.n >= tally.next_pause) {
                pause();
                tally.next_pause = tally.n + between_pauses;
            }
            i = n_block_;
        }
        for (; i < level && tally.n <= tally.most; ++i) {
            const double inner = t[i] + on_hi_[at(i)];
            const double dearer = before[i] + inner * inner + d_hi_[at(i)];
            if (dearer + rest_[at(i)] > tally.possibly) continue;
            const Index k = order_[at(i)];
            const double gap = hi_[at(i)] - lo_[at(i)];
            const double* column = r_.data() + i * n_;
            for (Index q = 0; q < i; ++q) below[q] = t[q] + column[q] * gap;
            set_[at(k)] ^= 1;
            add_up(i, depth + 1, dearer, tally, pause);
            set_[at(k)] ^= 1;
        }
    }

    /// Adds the combinations of the least dear labels that fit beside what is decided.
    void add_combinations(const double* t, double spent, Tally& tally) {
        double scores[n_combinations];
        combine(t, spent, scores);
        std::uint64_t surely = 0, possibly = 0;
        for (std::size_t s = 0; s < n_combinations; ++s) {
            surely += scores[s] <= tally.surely;
            possibly += scores[s] <= tally.possibly;
        }
        tally.n += surely;
        if (possibly == surely) return;
        for (std::size_t s = 0; s < n_combinations; ++s) {
            if (scores[s] <= tally.surely || scores[s] > tally.possibly) continue;
            const auto turn = [&] {
                for (Index i = 0; i < n_block_; ++i) set_[at(order_[at(i)])] ^= s >> i & 1;
            };
            turn();
            tally.n += score_of(set_.data()) <= tally.tau;
            turn();
        }
    }
    void combine(const double* t, double spent, double* scores) const {
        double first[n_together] = {};
        std::copy(t, t + n_block_, first);
        for (std::size_t s = 0; s < n_combinations; ++s) {
            double score = spent + apart_[s];
            for (std::size_t i = 0; i < n_together; ++i) {
                const double inner = first[i] + inner_[i][s];
                score += inner * inner;
            }
            scores[s] = score;
        }
    }

    template <class Visit>
    void descend(Index level, Index depth, double spent, double& tau, Visit& visit) {
        const double* t = sums_.data() + depth * n_;
        double* below = sums_.data() + (depth + 1) * n_;
        double* before = before_.data() + depth * n_;  // spent on what is dearer than each level
        Index i = level - 1;
        double limit = tau + doubt(tau);
        for (; i >= 0; --i) {  // the cheap value everywhere, as far as that fits
            before[i] = spent;
            if (forced_[at(i)] == dear) break;
            const double inner = t[i] + on_lo_[at(i)];
            spent += inner * inner + d_lo_[at(i)];
            if (spent + rest_[at(i)] > limit) break;
        }
        if (i < 0) {
            // where rounding could tip the balance, and wherever scores are ranked, the one routine decides
            const double score = ranked_ || spent > tau - doubt(tau) ? score_of(set_.data()) : spent;
            if (score <= tau) is_going_ = visit(set_.data(), score);
            if (!is_going_) return;
            limit = tau + doubt(tau);
            i = 0;
        }
        for (; i < level; ++i) {  // then one dear value, the least dear first: where tau falls, it falls early
            const double inner = t[i] + on_hi_[at(i)];
            const double dearer = before[i] + inner * inner + d_hi_[at(i)];
            if (dearer + rest_[at(i)] > limit || forced_[at(i)] == cheap) continue;
            if (skips_even_ && forced_[at(i)] == free && hi_[at(i)] == lo_[at(i)]) continue;
            const Index k = order_[at(i)];
            const double gap = hi_[at(i)] - lo_[at(i)];
            const double* column = r_.data() + i * n_;
            for (Index q = 0; q < i; ++q) below[q] = t[q] + column[q] * gap;
            set_[at(k)] ^= 1;
            descend(i, depth + 1, dearer, tau, visit);
            set_[at(k)] ^= 1;
            if (!is_going_) return;
            limit = tau + doubt(tau);
        }
    }

    static constexpr Index n_together = 4;
    static constexpr std::size_t n_combinations = std::size_t{1} << n_together;

    const QuadraticForm form_;
    Index n_, n_block_ = 0;
    std::array<std::array<double, n_combinations>, n_together> inner_{};
    std::array<double, n_combinations> apart_{};
    Eigen::MatrixXd m_, r_;
    Eigen::LLT<Eigen::MatrixXd, Eigen::Upper> factor_;
    std::vector<double> sums_, before_, on_lo_, on_hi_, lo_, hi_, d_lo_, d_hi_, rest_, errors_, p_;
    std::vector<Index> order_, level_of_;
    std::vector<std::uint8_t> forced_, cheap_, set_, seen_;
    double noise_ = 0.0;
    bool is_going_ = true, ranked_ = false, skips_even_ = false;
};

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

}  // namespace mlkit::conformal
