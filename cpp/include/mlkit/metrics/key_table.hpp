#pragma once
// Where scores fall among a few distinct ones: what curves need of the cells, for which nothing but the positives'
// scores is sorted.

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "mlkit/core/simd.hpp"

namespace mlkit::metrics {

namespace detail {

/// Radix sort, 11 bits at a time; a pass in which all keys agree is left out.
template <class Key>
class KeySorter {
  public:
    void sort(std::vector<Key>& keys) {
        const std::size_t n = keys.size();
        if (n < 512) {
            std::sort(keys.begin(), keys.end());
            return;
        }
        other_.resize(n);
        for (unsigned shift = 0; shift < 8 * sizeof(Key); shift += 11) {
            counts_.fill(0);
            for (const Key key : keys) ++counts_[digit(key, shift)];
            if (counts_[digit(keys[0], shift)] == n) continue;
            std::size_t begin = 0;
            for (std::size_t& count : counts_) {
                const std::size_t size = count;
                count = begin;
                begin += size;
            }
            for (const Key key : keys) other_[counts_[digit(key, shift)]++] = key;
            keys.swap(other_);
        }
    }

  private:
    static std::size_t digit(Key key, unsigned shift) { return static_cast<std::size_t>(key >> shift) & 0x7ff; }
    std::array<std::size_t, 2048> counts_{};
    std::vector<Key> other_;
};

}  // namespace detail

/// Ascending distinct scores. A score's place is 2g + 1 at the g-th of them and 2g between it and the one below.
template <class Real>
class KeyTable {
  public:
    using Key = simd::KeyOf<Real>;
    using Place = std::int32_t;

    /// Sorts the scores and forgets those it had.
    void build(const std::vector<Real>& scores) {
        keys_.resize(scores.size());
        simd::order_bits(scores.data(), static_cast<Index>(scores.size()), keys_.data());
        sorter_.sort(keys_);
        keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
        n_keys_ = static_cast<Index>(keys_.size());
        if (n_keys_ >= Index{1} << 30) throw std::length_error("more than 2^30 distinct scores of positives");
        if (n_keys_) index();
    }

    Index n_keys() const { return n_keys_; }
    Key key(Index g) const { return keys_[static_cast<std::size_t>(g)]; }
    Index n_places() const { return 2 * n_keys_ + 1; }

    /// The places of n scores.
    void find(const Real* scores, Index n, Place* places) const {
        if (n_keys_ == 0) {
            std::fill(places, places + n, 0);
            return;
        }
        constexpr Index block = simd::place_block;
        Key wanted[block];
        const simd::KeyIndex<Key> index{keys_.front(), last_, shift_, starts_.data(), keys_.data(), step_};
        for (Index begin = 0; begin < n; begin += block) {
            const Index size = std::min(block, n - begin);
            simd::order_bits(scores + begin, size, wanted);
            simd::find_places(index, wanted, size, places + begin);
        }
    }
    Place place(Real score) const {
        Place at;
        find(&score, 1, &at);
        return at;
    }

  private:
    /// Keys in buckets of equal width: the search begins at the bucket's first one and takes as many halvings as the
    /// fullest bucket needs. See KeyIndex.
    void index() {
        last_ = keys_.back();
        const Index most = std::min<Index>(std::max<Index>(8 * n_keys_, 64), Index{1} << 18);
        const Key range = last_ - keys_.front();
        shift_ = 0;
        while ((range >> shift_) >= static_cast<Key>(most)) ++shift_;
        const auto n_buckets = static_cast<std::size_t>(range >> shift_) + 1;
        starts_.assign(n_buckets + 2, 0);
        for (const Key key : keys_) ++starts_[static_cast<std::size_t>((key - keys_.front()) >> shift_) + 1];
        const Place fullest = *std::max_element(starts_.begin(), starts_.end());
        Place below = 0;
        for (Place& start : starts_) {
            const Place held = start;
            start = 2 * below + (held > 0);
            below += held;
        }
        step_ = 1;
        while (2 * step_ - 1 < fullest) step_ *= 2;
        keys_.resize(static_cast<std::size_t>(n_keys_ + 2 * step_), ~Key{0});  // no score is as high
    }

    Index n_keys_ = 0;
    std::vector<Key> keys_;
    std::vector<Place> starts_;
    Key last_ = 0;
    unsigned shift_ = 0;
    Place step_ = 1;  ///< first halving
    detail::KeySorter<Key> sorter_;
};

/// counts[place] += 1 for each of them. Counters lie fourfold where there are few: an addition need not wait for the
/// one before to the same counter.
inline void count_places(const std::int32_t* places, Index n, Index n_places, std::vector<std::uint32_t>& scratch,
                         Index* counts) {
    const std::size_t stride = n_places <= 4096 ? static_cast<std::size_t>(n_places) : 0;
    scratch.assign(stride ? 4 * stride : static_cast<std::size_t>(n_places), 0);
    std::uint32_t* of = scratch.data();
    Index k = 0;
    for (; k + 4 <= n; k += 4)
        for (std::size_t c = 0; c < 4; ++c)
            ++of[c * stride + static_cast<std::size_t>(places[k + static_cast<Index>(c)])];
    for (; k < n; ++k) ++of[places[k]];
    for (std::size_t c = 0; c < (stride ? 4u : 1u); ++c)
        for (std::size_t p = 0; p < static_cast<std::size_t>(n_places); ++p)
            counts[p] += static_cast<Index>(of[c * stride + p]);
}

}  // namespace mlkit::metrics
