#pragma once
// Numbers of label sets: whole numbers of any size.

#include <cmath>
#include <cstdint>
#include <vector>

#include "mlkit/core/views.hpp"

namespace mlkit::conformal {

/// A non-negative whole number in words of 64 bits, the lowest first, the highest not zero.
class BigCount {
  public:
    BigCount() = default;
    explicit BigCount(std::uint64_t value) {
        if (value) words_ = {value};
    }
    static BigCount power_of_two(Index exponent) { return shifted(1, exponent); }
    /// floor(mantissa * 2^exponent), or the next whole number above.
    static BigCount from_scaled(double mantissa, Index exponent, bool up) {
        int e = 0;
        const double fraction = std::frexp(mantissa, &e);  // in [1/2, 1)
        const Index shift = e - 53 + exponent;
        const auto digits = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
        if (shift >= 0) return shifted(digits, shift);
        if (shift <= -64) return BigCount(up && digits ? 1 : 0);
        const std::uint64_t kept = digits >> -shift;
        return BigCount(kept + (up && (kept << -shift) != digits));
    }
    static BigCount from_words(const std::uint64_t* words, std::size_t n) {
        BigCount count;
        count.words_.assign(words, words + n);
        count.trim();
        return count;
    }
    const std::vector<std::uint64_t>& words() const { return words_; }
    bool operator==(const BigCount& other) const { return words_ == other.words_; }
    bool operator<(const BigCount& other) const {
        if (words_.size() != other.words_.size()) return words_.size() < other.words_.size();
        for (std::size_t k = words_.size(); k-- > 0;)
            if (words_[k] != other.words_[k]) return words_[k] < other.words_[k];
        return false;
    }

  private:
    static BigCount shifted(std::uint64_t digits, Index shift) {
        BigCount count;
        const auto whole = static_cast<std::size_t>(shift / 64);
        const int rest = static_cast<int>(shift % 64);
        count.words_.assign(whole + 2, 0);
        count.words_[whole] = digits << rest;
        if (rest) count.words_[whole + 1] = digits >> (64 - rest);
        count.trim();
        return count;
    }
    void trim() {
        while (!words_.empty() && words_.back() == 0) words_.pop_back();
    }

    std::vector<std::uint64_t> words_;
};

}  // namespace mlkit::conformal
