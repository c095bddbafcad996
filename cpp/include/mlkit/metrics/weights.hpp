#pragma once
// Sums over examples, weighted or not, that cannot depend on order. A weight is a whole number of units (the largest
// weight is at most 2^62 of them), so that threads, blocks, storage and merges all give the same bits.

#include <cstdint>

#include "mlkit/core/fixed_point.hpp"

namespace mlkit::metrics {

/// Weights of the rows in units; null: each row weighs one.
struct RowWeights {
    const std::uint64_t* units = nullptr;

    std::uint64_t operator[](Index row) const { return units ? units[row] : 1; }
};

inline void add_to(Index& sum, std::uint64_t units) { sum += static_cast<Index>(units); }
inline void add_to(WideSum& sum, std::uint64_t units) { sum.add(units); }
inline void add_to(Index& sum, const Index& other) { sum += other; }
inline void add_to(WideSum& sum, const WideSum& other) { sum.add(other); }

inline void subtract_from(Index& sum, std::uint64_t units) { sum -= static_cast<Index>(units); }
inline void subtract_from(WideSum& sum, std::uint64_t units) {
    WideSum less;
    less.add(units);
    sum = sum.minus(less);
}

/// A sum in units as a double.
inline double in_units(Index sum) { return static_cast<double>(sum); }
inline double in_units(const WideSum& sum) {
    const WideSum c = sum.canonical();
    return static_cast<double>(c.high) * 0x1p32 + static_cast<double>(c.low);
}

}  // namespace mlkit::metrics
