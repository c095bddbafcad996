#pragma once
// How many of a label's given values are wrong, by maximum likelihood.
//
// Let p be the probability that the label truly applies, m = P(given 0 | true 1) and s = P(given 1 | true 0). Then
// P(given 1) = g = p (1 - m) + (1 - p) s is linear in (m, s), so the log-likelihood of the given values is concave in
// them: Newton's method in two dimensions on the label's histogram. Intervals come from the profile likelihood; at the
// border m = 0 or s = 0 the deviance is an even mixture of chi-squares with 0 and 1 degrees of freedom (Self, Liang,
// JASA 1987).

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "mlkit/quality/label_histogram.hpp"

namespace mlkit::quality {

/// m and s, in this order: the index is the given value that is wrong.
using FlipRates = std::array<double, 2>;

/// One direction of error of one label: the flip rate with its interval, and the wrong cells on that side that go with
/// the estimate and with the ends of the interval. `n_wrong_variance`: of the number of wrong cells when the rates are
/// known; `n_wrong_error`: standard error with that of the rates from the observed information, infinite where the
/// label cannot tell its two rates apart. `deviance`: twice the log-likelihood that both rates together gain over none,
/// the same in both directions.
struct DirectionEstimate {
    double flip = 0, flip_low = 0, flip_high = 1;
    double n_wrong = 0, n_wrong_low = 0, n_wrong_high = 0, n_wrong_variance = 0, n_wrong_error = 0, deviance = 0;
};

/// Quantiles of the chi-square distribution with one degree of freedom that bound the deviance.
struct DevianceLimits {
    double interior;  ///< at the confidence level
    double border;    ///< at 2 * level - 1: the mixture's quantile
};

class NoiseLikelihood {
  public:
    explicit NoiseLikelihood(const LabelHistogram& histogram) {
        for (const std::int32_t b : histogram.used)
            bins_.push_back({LogitBins::representative(b), static_cast<double>(histogram.positive[b]),
                             static_cast<double>(histogram.negative[b])});
    }

    double value(const FlipRates& rates) const {
        double sum = 0;
        for (const Bin& b : bins_) {
            const double g = given_one(b.p, rates);
            if (b.n1 > 0) sum += b.n1 * std::log(g);
            if (b.n0 > 0) sum += b.n0 * std::log1p(-g);
        }
        return std::isnan(sum) ? -std::numeric_limits<double>::infinity() : sum;
    }

    /// The maximum over both rates.
    FlipRates fit() const { return maximise({0.02, 0.02}, {true, true}); }

    /// The maximum over the other rate with rate `which` held at `value`.
    FlipRates fit_other(int which, double value, FlipRates start) const {
        start[which] = value;
        start[1 - which] = std::clamp(start[1 - which], 1e-3, 1 - 1e-3);
        std::array<bool, 2> free{};
        free[1 - which] = true;
        return maximise(start, free);
    }

    DirectionEstimate estimate(int which, const FlipRates& best, const DevianceLimits& limits) const {
        DirectionEstimate out;
        out.flip = best[which];
        const double top = value(best);
        out.deviance = 2 * (top - value({0, 0}));
        const double limit = out.flip > 0 ? limits.interior : limits.border;
        const FlipRates low = bound(which, best, top, limit, 0.0), high = bound(which, best, top, limit, 1.0);
        out.flip_low = low[which];
        out.flip_high = high[which];
        out.n_wrong = wrong_cells(which, best, &out.n_wrong_variance);
        out.n_wrong_error = std::sqrt(out.n_wrong_variance + rates_variance(which, best));
        out.n_wrong_low = std::min(out.n_wrong, wrong_cells(which, low, nullptr));
        out.n_wrong_high = std::max(out.n_wrong, wrong_cells(which, high, nullptr));
        return out;
    }

  private:
    struct Bin {
        double p, n1, n0;
    };

    static double given_one(double p, const FlipRates& r) { return p * (1 - r[0]) + (1 - p) * r[1]; }

    /// Expected number of wrong cells given 0 (which = 0) or 1, and its variance.
    double wrong_cells(int which, const FlipRates& r, double* variance) const {
        double sum = 0, spread = 0;
        for (const Bin& b : bins_) {
            const double n = which ? b.n1 : b.n0;
            if (n == 0) continue;
            const double g = given_one(b.p, r);
            const double wrong = which ? (1 - b.p) * r[1] : b.p * r[0];
            const double total = which ? g : 1 - g;
            const double share = total > 0 ? std::min(1.0, wrong / total) : 0.0;
            sum += n * share;
            spread += n * share * (1 - share);
        }
        if (variance) *variance = spread;
        return sum;
    }

    /// Variance of the expected number of wrong cells that comes from estimating the rates (delta method).
    double rates_variance(int which, const FlipRates& r) const {
        double to_missing = 0, to_spurious = 0;  // derivatives of the number by the rates
        for (const Bin& b : bins_) {
            const double g = given_one(b.p, r), total = which ? g : 1 - g, n = which ? b.n1 : b.n0;
            if (n == 0 || !(total > 0)) continue;
            const double both = b.p * (1 - b.p) / (total * total);
            to_missing += n * both * (which ? r[1] : 1 - r[1]);
            to_spurious += n * both * (which ? 1 - r[0] : r[0]);
        }
        const Slope s = slope(r);
        const double determinant = s.h00 * s.h11 - s.h01 * s.h01;
        if (!(determinant > 1e-12 * s.h00 * s.h11)) return std::numeric_limits<double>::infinity();
        return -(s.h11 * to_missing * to_missing - 2 * s.h01 * to_missing * to_spurious +
                 s.h00 * to_spurious * to_spurious) /
               determinant;
    }

    struct Slope {
        double d0 = 0, d1 = 0, h00 = 0, h01 = 0, h11 = 0;
    };
    Slope slope(const FlipRates& r) const {
        Slope s;
        for (const Bin& b : bins_) {
            const double g = given_one(b.p, r), q = 1 - g;
            // a side without cells adds nothing, not even where g is 0 or 1
            const double u1 = b.n1 > 0 ? b.n1 / g : 0.0, u0 = b.n0 > 0 ? b.n0 / q : 0.0;
            const double w = (b.n1 > 0 ? u1 / g : 0.0) + (b.n0 > 0 ? u0 / q : 0.0);
            const double a = -b.p, c = 1 - b.p;  // dg/dm, dg/ds
            s.d0 += (u1 - u0) * a;
            s.d1 += (u1 - u0) * c;
            s.h00 -= w * a * a;
            s.h01 -= w * a * c;
            s.h11 -= w * c * c;
        }
        return s;
    }

    /// Projected Newton from a point of finite likelihood; rates stay in [0, 1].
    FlipRates maximise(FlipRates r, std::array<bool, 2> free) const {
        double here = value(r);
        for (int round = 0; round < 100; ++round) {
            const Slope s = slope(r);
            const std::array<double, 2> gradient{s.d0, s.d1};
            std::array<bool, 2> active = free;
            for (int k = 0; k < 2; ++k)
                if ((r[k] <= 0 && gradient[k] <= 0) || (r[k] >= 1 && gradient[k] >= 0)) active[k] = false;
            std::array<double, 2> step{0, 0};
            const double determinant = s.h00 * s.h11 - s.h01 * s.h01;
            if (active[0] && active[1] && determinant > 1e-14 * s.h00 * s.h11) {
                step = {-(s.h11 * s.d0 - s.h01 * s.d1) / determinant, -(s.h00 * s.d1 - s.h01 * s.d0) / determinant};
            } else {
                if (active[0] && s.h00 < 0) step[0] = -s.d0 / s.h00;
                if (active[1] && s.h11 < 0) step[1] = -s.d1 / s.h11;
                if (active[0] && active[1]) step = {0.5 * step[0], 0.5 * step[1]};
            }
            const double promise = gradient[0] * step[0] + gradient[1] * step[1];
            if (!(promise > 1e-12)) break;
            bool moved = false;
            for (double length = 1; length > 1e-10; length *= 0.5) {
                const FlipRates next{std::clamp(r[0] + length * step[0], 0.0, 1.0),
                                     std::clamp(r[1] + length * step[1], 0.0, 1.0)};
                const double there = value(next);
                if (there > here) {
                    r = next;
                    here = there;
                    moved = true;
                    break;
                }
            }
            if (!moved) break;
        }
        return r;
    }

    /// Where the profile deviance of rate `which` reaches `limit` on the way to `end`; `end` itself if it never does.
    FlipRates bound(int which, const FlipRates& best, double top, double limit, double end) const {
        const auto deviance = [&](const FlipRates& r) { return 2 * (top - value(r)); };
        if (best[which] == end || limit <= 0) return best;
        FlipRates outside = fit_other(which, end, best);
        if (deviance(outside) <= limit) return outside;
        FlipRates inside = best;
        double inner = best[which], outer = end;
        for (int round = 0; round < 60 && std::abs(outer - inner) > 1e-9 + 1e-6 * inner; ++round) {
            const double middle = round < 4 && end > inner ? inner + (outer - inner) * 0.125 : 0.5 * (inner + outer);
            const FlipRates r = fit_other(which, middle, inside);
            if (deviance(r) <= limit) {
                inner = middle;
                inside = r;
            } else {
                outer = middle;
            }
        }
        return inside;
    }

    std::vector<Bin> bins_;
};

/// Both directions of one label: missing labels (given 0), spurious ones (given 1).
inline std::array<DirectionEstimate, 2> estimate_noise(const LabelHistogram& histogram, const DevianceLimits& limits) {
    const NoiseLikelihood likelihood(histogram);
    const FlipRates best = likelihood.fit();
    return {likelihood.estimate(0, best, limits), likelihood.estimate(1, best, limits)};
}

}  // namespace mlkit::quality
