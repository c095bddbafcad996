#pragma once
// Eight rows side by side, one in each lane of a vector. A sorting network takes the same steps whatever the values
// are, so one instruction takes a step of all eight rows and no branch is ever guessed wrong.

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "mlkit/core/simd.hpp"

namespace mlkit::lanes {

constexpr Index width = 8;

/// One value of each row.
struct alignas(64) Lanes {
    double v[width];
};

namespace detail {

// A vector as wide as eight doubles has no calling convention that all instruction sets share: it never leaves a
// function, and what works on it is always inlined. What is true is 1.0 and what is false 0.0: the compiler takes lanes
// apart where truths are combined other than by arithmetic.
#if defined(__GNUC__)
using Vector = double __attribute__((vector_size(64)));
#else
struct Vector {
    double v[width];
    double operator[](Index l) const { return v[l]; }
};
#define MLKIT_LANE_OPERATOR(op)                                        \
    inline Vector operator op(const Vector& a, const Vector& b) {      \
        Vector out{};                                                  \
        for (Index l = 0; l < width; ++l) out.v[l] = a.v[l] op b.v[l]; \
        return out;                                                    \
    }                                                                  \
    inline Vector operator op(double a, const Vector& b) {             \
        Vector out{};                                                  \
        for (Index l = 0; l < width; ++l) out.v[l] = a op b.v[l];      \
        return out;                                                    \
    }
MLKIT_LANE_OPERATOR(+)
MLKIT_LANE_OPERATOR(-)
MLKIT_LANE_OPERATOR(*)
MLKIT_LANE_OPERATOR(/)
#undef MLKIT_LANE_OPERATOR
#endif

MLKIT_INLINE void load(const Lanes& from, Vector& to) { std::memcpy(&to, &from, sizeof to); }
MLKIT_INLINE void store(const Vector& from, Lanes& to) { std::memcpy(&to, &from, sizeof to); }

/// out = a < b ? yes : no
template <class Vector>
MLKIT_INLINE void where_less(const Vector& a, const Vector& b, const Vector& yes, const Vector& no, Vector& out) {
#if defined(__GNUC__)
    out = a < b ? yes : no;
#else
    Vector chosen{};
    for (Index l = 0; l < width; ++l) chosen.v[l] = a.v[l] < b.v[l] ? yes.v[l] : no.v[l];
    out = chosen;
#endif
}

/// out = a < b
MLKIT_INLINE void is_less(const Vector& a, const Vector& b, Vector& out) {
    const Vector zero{}, one = 1.0 + zero;
    where_less(a, b, one, zero, out);
}

/// What is true in the lanes whose bits are set: bit l belongs to lane l.
MLKIT_INLINE void from_bits(unsigned bits, Vector& out) {
#if defined(__GNUC__)
    using Whole = std::int64_t __attribute__((vector_size(64)));
    const Whole lane = {0, 1, 2, 3, 4, 5, 6, 7};
    const Whole all = static_cast<std::int64_t>(bits) + Whole{};
    const Whole pattern = -(all >> lane & 1) & 0x3ff0000000000000;  // of 1.0
    std::memcpy(&out, &pattern, sizeof out);
#else
    for (Index l = 0; l < width; ++l) out.v[l] = bits >> l & 1 ? 1.0 : 0.0;
#endif
}
/// The bits of the lanes where `low` is true and, eight bits higher, of those where `high` is.
MLKIT_INLINE unsigned to_bits(const Vector& low, const Vector& high) {
    const Vector of_lane = {1, 2, 4, 8, 16, 32, 64, 128};
    const Vector sum = of_lane * (low + 256.0 * high);
    return static_cast<unsigned>(((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
}

/// average += alpha * (next - average)
MLKIT_INLINE void average_in(Vector& average, const Vector& next, double alpha) {
    average = average + alpha * (next - average);
}

/// sum += factor * x
MLKIT_INLINE void add_multiple(Vector& sum, const Vector& x, double factor) { sum = sum + factor * x; }
MLKIT_INLINE void add_multiple(Vector& sum, const Lanes& x, double factor) {
    Vector loaded;
    load(x, loaded);
    add_multiple(sum, loaded, factor);
}

// Compilers take a vector that is wider than the registers apart into single lanes where its values are compared. So
// sorting works on parts of the eight lanes, as wide as the registers are.
#if defined(__GNUC__)
using Pair = double __attribute__((vector_size(16)));
using Half = double __attribute__((vector_size(32)));
#else
using Pair = Vector;
#endif

/// low, high = min(low, high), max(low, high)
template <class Values>
MLKIT_INLINE void exchange(Values& low, Values& high) {
    const Values a = low, b = high;
    where_less(b, a, b, a, low);
    where_less(b, a, a, b, high);
}

/// step(i, j) for every comparison of Batcher's merge exchange of n values (Knuth, The Art of Computer Programming,
/// vol. 3, algorithm 5.2.2M).
template <class Step>
constexpr void merge_exchange(int n, Step&& step) {
    int top = 1;
    while (2 * top < n) top *= 2;
    for (int p = top; p > 0; p /= 2) {
        for (int q = top, r = 0, d = p;; d = q - p, q /= 2, r = p) {
            for (int i = 0; i + d < n; ++i)
                if ((i & p) == r) step(i, i + d);
            if (q == p) break;
        }
    }
}

/// step(i, j) for every comparison that sorts n values, n a power of two, which rise and fall once.
template <class Step>
constexpr void merge_bitonic(int n, Step&& step) {
    for (int d = n / 2; d > 0; d /= 2)
        for (int i = 0; i < n; ++i)
            if ((i & d) == 0) step(i, i + d);
}

enum class Kind { sort, merge };

/// The comparisons of a network, known to the compiler: values stay in registers between them.
template <Kind kind, int n>
struct Network {
    struct Comparison {
        int low = 0, high = 0;
    };
    template <class Step>
    static constexpr void walk(Step&& step) {
        if (kind == Kind::sort)
            merge_exchange(n, step);
        else
            merge_bitonic(n, step);
    }
    static constexpr std::size_t count() {
        std::size_t size = 0;
        walk([&](int, int) { ++size; });
        return size;
    }
    static constexpr std::array<Comparison, count()> list() {
        std::array<Comparison, count()> comparisons{};
        std::size_t at = 0;
        walk([&](int low, int high) {
            comparisons[at].low = low;
            comparisons[at++].high = high;
        });
        return comparisons;
    }
    static constexpr std::array<Comparison, count()> comparisons = list();

    template <class Values, std::size_t... k>
    MLKIT_INLINE static void run(Values* v, std::index_sequence<k...>) {
        (exchange(v[comparisons[k].low], v[comparisons[k].high]), ...);
    }
    template <class Values>
    MLKIT_INLINE static void run(Values* v) {
        run(v, std::make_index_sequence<count()>{});
    }
};

/// The lanes from `first` on that fit into Values.
template <class Values>
MLKIT_INLINE void load(const Lanes& from, Index first, Values& to) {
    std::memcpy(&to, from.v + first, sizeof to);
}
template <class Values>
MLKIT_INLINE void store(const Values& from, Index first, Lanes& to) {
    std::memcpy(to.v + first, &from, sizeof from);
}

template <class Values, int n>
MLKIT_INLINE void sort(Lanes* v, Index first) {
    Values local[n];
    for (int i = 0; i < n; ++i) load(v[i], first, local[i]);
    Network<Kind::sort, n>::run(local);
    for (int i = 0; i < n; ++i) store(local[i], first, v[i]);
}

/// Of the ascending `best` and the ascending `other`: the n smallest of both, ascending, into `best`.
template <class Values, int n>
MLKIT_INLINE void keep_smallest(Lanes* best, const Lanes* other, Index first) {
    Values local[n];  // the smaller ones of a rising and a falling half rise and fall once
    for (int i = 0; i < n; ++i) {
        Values falling;
        load(best[i], first, local[i]);
        load(other[n - 1 - i], first, falling);
        exchange(local[i], falling);
    }
    Network<Kind::merge, n>::run(local);
    for (int i = 0; i < n; ++i) store(local[i], first, best[i]);
}

/// The networks are of this size.
constexpr int network_size = 32;

/// `sort_smallest` by parts of so many lanes as Values holds.
template <class Values>
MLKIT_INLINE void sort_parts(Lanes* v, Index n) {
    constexpr int size = network_size;
    for (Index first = 0; first < width; first += static_cast<Index>(sizeof(Values) / sizeof(double))) {
        if (n <= 8) {
            sort<Values, 8>(v, first);
        } else if (n <= 16) {
            sort<Values, 16>(v, first);
        } else if (n <= 24) {
            sort<Values, 24>(v, first);
        } else {
            sort<Values, size>(v, first);
            for (Index begin = size; begin < n; begin += size) {
                sort<Values, size>(v + begin, first);
                keep_smallest<Values, size>(v, v + begin, first);
            }
        }
    }
}

#if defined(MLKIT_HAS_CLONES)
__attribute__((target("arch=x86-64-v4"))) [[maybe_unused]] static void sort_padded(Lanes* v, Index n) {
    sort_parts<Vector>(v, n);
}
__attribute__((target("arch=x86-64-v3"))) [[maybe_unused]] static void sort_padded(Lanes* v, Index n) {
    sort_parts<Half>(v, n);
}
__attribute__((target("default"))) [[maybe_unused]] static void sort_padded(Lanes* v, Index n) {
    sort_parts<Pair>(v, n);
}
#else
inline void sort_padded(Lanes* v, Index n) { sort_parts<Pair>(v, n); }
#endif

}  // namespace detail

/// So many of the smallest values of each row are found.
constexpr int block = detail::network_size;

/// Room that `sort_smallest` needs for rows of n values.
inline Index padded(Index n) { return (n + block - 1) / block * block; }

/// Infinity into the room behind n values.
inline void fill_up(Lanes* v, Index n) {
    for (Index i = n; i < padded(n); ++i)
        for (double& x : v[i].v) x = std::numeric_limits<double>::infinity();
}

/// Brings the smallest values of each row to the front, ascending: all of them, or the first 32. No NaN; v has room for
/// padded(n).
inline void sort_smallest(Lanes* v, Index n) {
    fill_up(v, n);
    detail::sort_padded(v, n);
}

/// The exponential moving average of each row's first `depth` values, from the last of them to the first.
MLKIT_CLONES [[maybe_unused]] static void moving_average(const Lanes* v, Index depth, double alpha, Lanes* out) {
    detail::Vector average, next;
    detail::load(v[depth - 1], average);
    for (Index j = depth - 2; j >= 0; --j) {
        detail::load(v[j], next);
        detail::average_in(average, next, alpha);
    }
    detail::store(average, *out);
}

}  // namespace mlkit::lanes
