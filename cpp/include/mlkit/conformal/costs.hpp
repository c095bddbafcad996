#pragma once
// What it costs a label set to say 0 or 1 of a label, as whole numbers of 2^-shift. The nonconformity score *is* the
// sum (or maximum) of these integers: calibration, membership, enumeration and counting add in different orders and
// still agree bit for bit, and ties are real ties.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace mlkit::conformal {

using Cost = std::int64_t;

enum class Score { lp, log, log_centered, hamming, linf };

/// A built-in score: its kind, the exponent of `lp`, the cut of `hamming`, and the unit 2^-shift.
struct ScoreRule {
    Score kind = Score::log;
    double power = 1.0;
    double cut = 0.5;
    int shift = 40;

    bool is_maximum() const { return kind == Score::linf; }
};

/// Costs of both values of a cell.
struct CellCosts {
    Cost zero, one;
};

class CostRule {
  public:
    explicit CostRule(const ScoreRule& rule) : rule_(rule), scale_(std::ldexp(1.0, rule.shift)) {}

    CellCosts operator()(double p) const {
        switch (rule_.kind) {
            case Score::lp:
                return {units(power(p)), units(power(1.0 - p))};
            case Score::hamming:
                return p >= rule_.cut ? CellCosts{units(1.0), 0} : CellCosts{0, units(1.0)};
            case Score::linf: {  // the two always add up to one, so that their difference tells both
                const Cost zero = units(p);
                return {zero, units(1.0) - zero};
            }
            case Score::log:
            default: {
                const double zero = surprise(1.0 - p, p), one = surprise(p, 1.0 - p);
                return {units(zero), units(one)};
            }
            case Score::log_centered: {
                const double zero = surprise(1.0 - p, p), one = surprise(p, 1.0 - p);
                const Cost entropy = units((1.0 - p) * zero + p * one);
                return {units(zero) - entropy, units(one) - entropy};
            }
        }
    }

  private:
    static constexpr double most = 64.0;  // -log of the clip: probabilities below e^-64 count as e^-64

    Cost units(double x) const { return static_cast<Cost>(x * scale_ + 0.5); }
    double power(double x) const {
        if (rule_.power == 1.0) return x;
        if (rule_.power == 2.0) return x * x;
        return std::pow(x, rule_.power);
    }
    /// -log of a probability whose complement is known too: accurate near 1, and the same number after p -> 1 - p.
    static double surprise(double prob, double complement) {
        if (prob > 0.5) return -std::log1p(-complement);
        return prob > 0.0 ? std::min(most, -std::log(prob)) : most;
    }

    ScoreRule rule_;
    double scale_;
};

}  // namespace mlkit::conformal
