#pragma once
// Sums of probabilities per label that do not depend on order.

#include <vector>

#include "mlkit/core/simd.hpp"

namespace mlkit {

/// One running sum per label: a 64-bit accumulator that spills into a WideSum before it could overflow.
class LabelSums {
  public:
    explicit LabelSums(Index n_labels) : running_(static_cast<std::size_t>(n_labels), 0), wide_(running_.size()) {}

    /// Announces that every label may receive `terms` more terms.
    void reserve(Index terms) {
        if (terms_ + terms > fixed_point::terms_before_spill) spill();
        terms_ += terms;
    }
    void add(Index label, double p) { running_[static_cast<std::size_t>(label)] += fixed_point::units(p); }
    void add_row(const double* p, Index n) { simd::add_units(running_.data(), p, n); }
    void spill() {
        for (std::size_t j = 0; j < running_.size(); ++j) {
            wide_[j].add(running_[j]);
            running_[j] = 0;
        }
        terms_ = 0;
    }
    const WideSum& wide(Index label) const { return wide_[static_cast<std::size_t>(label)]; }

  private:
    std::vector<std::uint64_t> running_;
    std::vector<WideSum> wide_;
    Index terms_ = 0;
};

}  // namespace mlkit
