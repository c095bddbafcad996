#pragma once
// Random numbers that depend on a seed and on what they are for, never on which thread asks: every node or problem has
// a stream of its own. SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).

#include <cstdint>
#include <utility>
#include <vector>

#include "mlkit/core/views.hpp"

namespace mlkit {

inline std::uint64_t mix_bits(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

class Random {
  public:
    Random(std::uint64_t seed, std::uint64_t stream) : state_(mix_bits(seed) ^ mix_bits(~stream)) {}

    std::uint64_t next() { return mix_bits(state_ += 0x9e3779b97f4a7c15u); }
    /// A number in [0, n), n < 2^32; the bias of the multiplication is below n / 2^32.
    std::uint32_t below(std::uint32_t n) {
        return static_cast<std::uint32_t>(((next() >> 32) * std::uint64_t{n}) >> 32);
    }
    /// A number in [0, 1).
    double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
    template <class T>
    void shuffle(T* items, Index n) {
        for (Index i = n - 1; i > 0; --i) std::swap(items[i], items[below(static_cast<std::uint32_t>(i + 1))]);
    }

  private:
    std::uint64_t state_;
};

}  // namespace mlkit
