#pragma once
// Sums that cannot depend on order: numbers of [0, 1] become whole multiples of 2^-40 and are added as integers.
// Threads, batches, merges and dense or sparse storage all give the same bits. The rounding of one term is at most
// 2^-41, so a mean is off by at most 4.6e-13.

#include <cstdint>
#include <cstring>

#include "mlkit/core/views.hpp"

namespace mlkit {

/// A non-negative integer of up to 94 bits in two words that add independently: value = high * 2^32 + low.
struct WideSum {
    std::int64_t high = 0;
    std::int64_t low = 0;

    void add(std::uint64_t units) {
        high += static_cast<std::int64_t>(units >> 32);
        low += static_cast<std::int64_t>(units & 0xffffffffu);
    }
    void add(const WideSum& other) {
        high += other.high;
        low += other.low;
    }
    /// The one form in which 0 <= low < 2^32, so that equal sums have equal words.
    WideSum canonical() const { return {high + (low >> 32), low & 0xffffffff}; }
    WideSum minus(const WideSum& other) const { return WideSum{high - other.high, low - other.low}.canonical(); }
    double value() const {
        const WideSum c = canonical();
        return static_cast<double>(c.high) * 0x1p-8 + static_cast<double>(c.low) * 0x1p-40;
    }
};

namespace fixed_point {

// Adding 3 * 2^11 puts the last bit of a double's mantissa at 2^-40: the sum's bit pattern counts units above that of
// the constant itself. One addition per term, which compilers vectorise.
constexpr double magic = 6144.0;

inline std::uint64_t bits(double shifted) {
    std::uint64_t b;
    std::memcpy(&b, &shifted, sizeof b);
    return b;
}
inline std::uint64_t magic_bits() { return bits(magic); }

/// p in [0, 1] as a whole number of 2^-40, round half to even.
inline std::uint64_t units(double p) { return bits(p + magic) - magic_bits(); }

/// x in [-2, 2] as a whole number of 2^-50, by the same addition; of numbers below 0 the two's complement.
inline std::uint64_t fine_units(double x) { return bits(x + 6.0) - bits(6.0); }

/// The same for x in [0, 2^12): what is whole apart from the rest.
inline std::uint64_t wide_units(double x) {
    constexpr double whole_magic = 0x1.8p52;
    const double shifted = x + whole_magic;
    return ((bits(shifted) - bits(whole_magic)) << 50) + fine_units(x - (shifted - whole_magic));
}

/// So many terms of at most 1 fit into 63 bits.
constexpr Index terms_before_spill = Index{1} << 22;

}  // namespace fixed_point

}  // namespace mlkit
