#pragma once
// Reads scores of any layout as rows of doubles. One reader per thread: it owns the scratch memory. Dense float64 in C
// order is handed out in place; everything else is widened (and clipped, where asked) tile by tile.

#include <algorithm>
#include <cstring>
#include <vector>

#include "mlkit/core/views.hpp"

namespace mlkit {

namespace detail {

inline float half_to_float(std::uint16_t h) {
    const std::uint32_t sign = (h & 0x8000u) << 16;
    const std::uint32_t rest = h & 0x7fffu;
    float magnitude;
    if (rest >= 0x7c00u) {  // infinity, NaN
        const std::uint32_t b = 0x7f800000u | ((rest & 0x3ffu) << 13);
        std::memcpy(&magnitude, &b, sizeof b);
    } else {  // shift exponent and mantissa into place, let the multiplication mend the bias (subnormals too)
        const std::uint32_t b = rest << 13;
        std::memcpy(&magnitude, &b, sizeof b);
        magnitude *= 0x1p112f;
    }
    return sign ? -magnitude : magnitude;
}

template <class Stored>
double widen(Stored x) {
    return static_cast<double>(x);
}
inline double widen(std::uint16_t half) { return static_cast<double>(half_to_float(half)); }

template <class Stored>
Stored load(const std::byte* at) {
    Stored x;
    std::memcpy(&x, at, sizeof x);
    return x;
}

/// Calls f with a value of the C++ type that stores this kind of real (uint16_t for half precision).
template <class F>
decltype(auto) with_stored(Real real, F&& f) {
    switch (real) {
        case Real::float16:
            return f(std::uint16_t{});
        case Real::float32:
            return f(float{});
        default:
            return f(double{});
    }
}

/// Whether doubles may be read here in place.
inline bool is_aligned(const std::byte* data) { return reinterpret_cast<std::uintptr_t>(data) % alignof(double) == 0; }

inline void clip_unit(double* p, Index n) {
    for (Index j = 0; j < n; ++j) p[j] = std::min(1.0, std::max(0.0, p[j]));
}

}  // namespace detail

/// Rows of dense scores. `load` prepares a run of rows, `row` hands one out.
class DenseReader {
  public:
    using Row = DenseRow;

    explicit DenseReader(const DenseScores& scores)
        : s_(scores),
          in_place_(s_.real == Real::float64 && s_.label_stride == 8 && s_.row_stride % 8 == 0 && !s_.clip &&
                    detail::is_aligned(s_.data)) {}

    /// Rows worth loading at once: a tile that stays in the second-level cache and takes whole cache lines from
    /// column-major memory.
    static Index tile_rows(Index n_labels) {
        const Index n = (Index{1} << 15) / std::max<Index>(1, n_labels);
        return std::min<Index>(256, std::max<Index>(8, n));
    }

    void load(Index begin, Index end) {
        first_ = begin;
        if (in_place_) return;
        tile_.resize(static_cast<std::size_t>((end - begin) * s_.n_labels));
        detail::with_stored(s_.real, [&](auto stored) { fill<decltype(stored)>(begin, end); });
        if (s_.clip) detail::clip_unit(tile_.data(), (end - begin) * s_.n_labels);
    }

    Row row(Index i) const {
        if (in_place_) return {reinterpret_cast<const double*>(s_.data + i * s_.row_stride), s_.n_labels};
        return {tile_.data() + (i - first_) * s_.n_labels, s_.n_labels};
    }

    /// Whether loaded rows lie end to end.
    bool is_seamless() const { return !in_place_ || s_.row_stride == 8 * s_.n_labels; }

  private:
    template <class Stored>
    void fill(Index begin, Index end) {
        constexpr std::ptrdiff_t size = sizeof(Stored);
        const Index n_labels = s_.n_labels;
        if (s_.label_stride == size) {
            for (Index i = begin; i < end; ++i) {
                const std::byte* from = s_.data + i * s_.row_stride;
                double* to = tile_.data() + (i - begin) * n_labels;
                for (Index j = 0; j < n_labels; ++j) to[j] = detail::widen(detail::load<Stored>(from + j * size));
            }
            return;
        }
        for (Index j = 0; j < n_labels; ++j) {  // column-major or strided: walk the memory in its own order
            const std::byte* from = s_.data + j * s_.label_stride + begin * s_.row_stride;
            double* to = tile_.data() + j;
            for (Index i = begin; i < end; ++i, from += s_.row_stride, to += n_labels)
                *to = detail::widen(detail::load<Stored>(from));
        }
    }

    const DenseScores s_;
    const bool in_place_;
    Index first_ = 0;
    std::vector<double> tile_;
};

/// Rows of sparse scores, under the same two verbs.
class SparseReader {
  public:
    using Row = SparseRow;

    explicit SparseReader(const SparseScores& scores)
        : s_(scores), in_place_(s_.real == Real::float64 && !s_.clip && detail::is_aligned(s_.data)) {}

    static Index tile_rows(Index /*n_labels*/) { return 256; }

    void load(Index begin, Index end) {
        if (in_place_) return;
        first_ = s_.indptr[begin];
        const Index n = s_.indptr[end] - first_;
        tile_.resize(static_cast<std::size_t>(n));
        detail::with_stored(s_.real, [&](auto stored) {
            using Stored = decltype(stored);
            const std::byte* from = s_.data + first_ * static_cast<Index>(sizeof(Stored));
            for (Index k = 0; k < n; ++k)
                tile_[static_cast<std::size_t>(k)] =
                    detail::widen(detail::load<Stored>(from + k * static_cast<Index>(sizeof(Stored))));
        });
        if (s_.clip) detail::clip_unit(tile_.data(), n);
    }

    Row row(Index i) const {
        const Index begin = s_.indptr[i];
        const double* p =
            in_place_ ? reinterpret_cast<const double*>(s_.data) + begin : tile_.data() + (begin - first_);
        return {s_.indices + begin, p, s_.indptr[i + 1] - begin};
    }

    bool is_seamless() const { return true; }

  private:
    const SparseScores s_;
    const bool in_place_;
    Index first_ = 0;
    std::vector<double> tile_;
};

inline DenseReader reader(const DenseScores& s) { return DenseReader(s); }
inline SparseReader reader(const SparseScores& s) { return SparseReader(s); }

}  // namespace mlkit
