#pragma once
// Dense 0/1 indicators (with -1 or NaN for unknown) to compressed rows, in the memory order of the array.
//
// Which cells are stored is as good as random to a branch predictor. So the number of every cell of a row is written to
// the end of a list, and the list grows by the outcome of a comparison. Only where a first glance saw anything but 0
// and 1 is a second look taken at what the listed cells hold.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit::labels {

/// The stored cells of an indicator matrix, and what was noticed on the way.
struct StoredCells {
    std::vector<Index> indptr;
    std::vector<std::int32_t> indices;
    std::vector<std::int8_t> values;  ///< empty when every stored cell is a positive
    Index n_positive = 0, n_zero = 0;
    Index n_minus_one = 0;               ///< counted only where unknown cells are stored
    Index bad_row = -1, bad_label = -1;  ///< first value that is none of 0, 1, -1, NaN
};

/// A floating-point number as its bits: of the pattern only 0, 1, -1 and NaN matter here.
template <class Bits, Bits one, Bits infinity>
struct FloatBits {
    Bits bits;
};
using Half = FloatBits<std::uint16_t, 0x3c00u, 0x7c00u>;

namespace detail {

template <class Value>
struct AsStored {
    using type = Value;
};
template <>
struct AsStored<float> {
    using type = FloatBits<std::uint32_t, 0x3f800000u, 0x7f800000u>;
};
template <>
struct AsStored<double> {
    using type = FloatBits<std::uint64_t, 0x3ff0000000000000u, 0x7ff0000000000000u>;
};

/// What a cell can hold, in a byte.
enum class Code : std::int8_t { nan = -2, minus_one = -1, zero = 0, one = 1, bad = 2 };

/// How to ask a value what it is. `nonzero_bits` is 0 for zero alone; `strange_bits` is 0 for nothing but zeros and
/// one. Both can be gathered over many values by `|`.
template <class Value>
struct Ask {
    using Bits = std::make_unsigned_t<Value>;
    static Bits nonzero_bits(Value x) { return static_cast<Bits>(x); }
    static Bits strange_bits(Value x) { return static_cast<Bits>(static_cast<Bits>(x) & ~Bits{1}); }
    static Code code(Value x) {
        if (x == 0 || x == 1) return static_cast<Code>(x);
        return std::is_signed_v<Value> && x == static_cast<Value>(-1) ? Code::minus_one : Code::bad;
    }
};

template <class Bits_, Bits_ one, Bits_ infinity>
struct Ask<FloatBits<Bits_, one, infinity>> {
    using Value = FloatBits<Bits_, one, infinity>;
    using Bits = Bits_;
    static Bits without_sign(Value x) { return static_cast<Bits>(x.bits << 1); }
    static Bits nonzero_bits(Value x) { return without_sign(x); }
    static Bits strange_bits(Value x) {
        // The pattern of 1.0 is one run of set bits: a part of it that is neither empty nor whole changes inside it.
        constexpr auto inside = static_cast<Bits>(one & (one << 1));
        return static_cast<Bits>((x.bits & ~one) | ((x.bits ^ (x.bits << 1)) & inside));
    }
    static Code code(Value x) {
        if (without_sign(x) == 0) return Code::zero;
        if (x.bits == one) return Code::one;
        if (without_sign(x) == static_cast<Bits>(one << 1)) return Code::minus_one;
        return without_sign(x) > static_cast<Bits>(infinity << 1) ? Code::nan : Code::bad;
    }
};

template <>
struct Ask<long double> {
    using Bits = unsigned;
    static Bits nonzero_bits(long double x) { return x != 0; }
    static Bits strange_bits(long double x) { return x != 0 && x != 1; }
    static Code code(long double x) {
        return x != x ? Code::nan : x == 0 || x == 1 || x == -1 ? static_cast<Code>(static_cast<int>(x)) : Code::bad;
    }
};

template <>
struct Ask<Code> {
    using Bits = std::uint8_t;
    static Bits nonzero_bits(Code x) { return static_cast<Bits>(x); }
    static Bits strange_bits(Code x) { return static_cast<Bits>(static_cast<Bits>(x) & ~1u); }
    static Code code(Code x) { return x; }
};

/// Values at equal distances in memory.
template <class Value>
struct Line {
    const std::byte* first;
    std::ptrdiff_t stride;

    Value operator[](Index k) const {
        Value x;
        std::memcpy(&x, first + k * stride, sizeof x);
        return x;
    }
    bool contiguous() const { return stride == static_cast<std::ptrdiff_t>(sizeof(Value)); }
    /// Calls f with this line, in a form in which the compiler knows the distance if that is the usual one.
    template <class F>
    auto with_known_stride(F&& f) const {
        return contiguous() ? f(Line{first, static_cast<std::ptrdiff_t>(sizeof(Value))}) : f(*this);
    }
};

/// Whether a value is neither 0 nor 1. (False alarms, such as -0.0, only cost time.)
template <class Value>
bool any_strange(Line<Value> line, Index n) {
    return line.with_known_stride([n](auto known) {
        typename Ask<Value>::Bits bits = 0;
        for (Index k = 0; k < n; ++k) bits |= Ask<Value>::strange_bits(known[k]);
        return bits != 0;
    });
}

/// Writes the positions of the values other than zero to `listed`, which has room for all; returns how many.
template <class Value>
Index list_nonzero(Line<Value> line, Index n, std::int32_t* listed) {
    return line.with_known_stride([=](auto known) {
        constexpr Index run = 32;  // runs of zeros are skipped at a glance
        Index n_listed = 0;
        for (Index begin = 0; begin < n; begin += run) {
            const Index end = std::min(begin + run, n);
            if (end - begin == run) {
                typename Ask<Value>::Bits bits = 0;
                for (Index k = begin; k < begin + run; ++k) bits |= Ask<Value>::nonzero_bits(known[k]);
                if (bits == 0) continue;
            }
            for (Index k = begin; k < end; ++k) {
                listed[n_listed] = static_cast<std::int32_t>(k);
                n_listed += Ask<Value>::nonzero_bits(known[k]) != 0;
            }
        }
        return n_listed;
    });
}

/// The stored cells of a block of rows.
struct Part {
    std::vector<std::int32_t> labels;
    std::vector<std::int8_t> values;  ///< empty when all are positives
    Index n_positive = 0, n_zero = 0, n_minus_one = 0, bad_row = -1, bad_label = -1;
};

/// One thread's memory for reading blocks of at most so many rows.
class BlockReader {
  public:
    BlockReader(Index n_rows, Index n_labels, bool unknown_background)
        : n_labels_(n_labels), capacity_(n_rows * n_labels), unknown_background_(unknown_background) {}

    /// Reads rows in which the cells lie closer than the rows do; `sizes` gets how many are stored in each.
    template <class Value>
    void read_rows(Line<Value> first, std::ptrdiff_t row_stride, Index first_row, Index n_rows, Index* sizes,
                   Part& part) {
        make_room(labels_);
        const auto row = [&](Index i) { return Line<Value>{first.first + i * row_stride, first.stride}; };
        bool with_values = unknown_background_;
        if (row_stride == n_labels_ * first.stride)
            with_values |= any_strange(first, n_rows * n_labels_);
        else
            for (Index i = 0; i < n_rows; ++i) with_values |= any_strange(row(i), n_labels_);
        if (with_values) make_room(values_);
        Index end = 0;
        for (Index i = 0; i < n_rows; ++i) {
            Index n;
            if (!with_values)
                n = list_nonzero(row(i), n_labels_, labels_.get() + end);
            else
                n = look_closely(row(i), first_row + i, end, part);
            sizes[i] = n;
            end += n;
        }
        if (!with_values) {
            part.n_positive = end;
            part.n_zero = n_rows * n_labels_ - end;
        }
        part.labels.assign(labels_.get(), labels_.get() + end);
        if (end != part.n_positive) part.values.assign(values_.get(), values_.get() + end);
    }

    /// Reads rows whose cells lie further apart than the rows do: walks down the columns, through a tile of bytes.
    template <class Value>
    void read_columns(Line<Value> first, std::ptrdiff_t label_stride, Index first_row, Index n_rows, Index* sizes,
                      Part& part) {
        make_room(labels_);
        make_room(tile_);
        std::fill_n(tile_.get(), n_rows * n_labels_, Code::zero);
        for (Index j = 0; j < n_labels_; ++j) {
            const Line<Value> column{first.first + j * label_stride, first.stride};
            const Index n = list_nonzero(column, n_rows, labels_.get());
            for (Index k = 0; k < n; ++k) {
                const Index i = labels_[static_cast<std::size_t>(k)];
                tile_[static_cast<std::size_t>(i * n_labels_ + j)] = Ask<Value>::code(column[i]);
            }
        }
        read_rows(Line<Code>{reinterpret_cast<const std::byte*>(tile_.get()), 1}, n_labels_, first_row, n_rows, sizes,
                  part);
    }

  private:
    template <class T>
    void make_room(std::unique_ptr<T[]>& memory) const {
        if (!memory) memory.reset(new T[static_cast<std::size_t>(capacity_)]);  // written before it is read
    }

    /// Appends a row's stored cells with their values, and counts what they are.
    template <class Value>
    Index look_closely(Line<Value> row, Index i, Index end, Part& part) {
        std::int32_t* labels = labels_.get() + end;
        std::int8_t* values = values_.get() + end;
        Index n_one = 0, n_zero = 0, n_minus_one = 0, n_stored = 0;
        const auto store = [&](Index j) {
            const Code code = Ask<Value>::code(row[j]);
            if (code == Code::bad && part.bad_row < 0) part.bad_row = i, part.bad_label = j;
            const bool is_unknown = code < Code::zero;
            n_one += code == Code::one;
            n_zero += code == Code::zero;
            n_minus_one += code == Code::minus_one;
            labels[n_stored] = static_cast<std::int32_t>(j);
            values[n_stored] = is_unknown ? std::int8_t{-1} : static_cast<std::int8_t>(code);
            n_stored += !(unknown_background_ && is_unknown);
        };
        if (unknown_background_) {
            for (Index j = 0; j < n_labels_; ++j) store(j);
        } else {
            const Index n = list_nonzero(row, n_labels_, labels);
            for (Index k = 0; k < n; ++k) store(labels[k]);
            n_zero = n_labels_ - n;
        }
        part.n_positive += n_one;
        part.n_zero += n_zero;
        part.n_minus_one += n_minus_one;
        return n_stored;
    }

    Index n_labels_, capacity_;
    bool unknown_background_;
    std::unique_ptr<std::int32_t[]> labels_;
    std::unique_ptr<std::int8_t[]> values_;
    std::unique_ptr<Code[]> tile_;
};

}  // namespace detail

/// `Value`: an integer type, `float`, `double`, `long double` or `Half`. Strides count bytes and may be negative.
/// `unknown_background`: zeros are stored (as 0) and unknown cells are not. One pass; memory in proportion to what is
/// stored.
template <class Value>
StoredCells from_dense(const std::byte* data, Index n_rows, Index n_labels, std::ptrdiff_t row_stride,
                       std::ptrdiff_t label_stride, bool unknown_background, const Team& whole_team) {
    using namespace detail;
    using Lines = Line<typename AsStored<Value>::type>;
    const Team team = whole_team.for_work(n_rows * n_labels);
    const bool by_columns = std::abs(row_stride) < std::abs(label_stride) && n_rows > 1 && n_labels > 1;
    const Index fewest = by_columns ? 64 : 1;  // whole cache lines
    const Index block = std::max<Index>(fewest, (Index{1} << 16) / std::max<Index>(1, n_labels));
    std::vector<Part> parts(static_cast<std::size_t>((n_rows + block - 1) / block));
    std::vector<BlockReader> readers;
    for (int t = 0; t < team.n_threads; ++t)
        readers.emplace_back(std::min(block, n_rows), n_labels, unknown_background);
    StoredCells out;
    out.indptr.resize(static_cast<std::size_t>(n_rows) + 1);
    for_each_range(n_rows, block, team, [&](Index begin, Index end, int thread) {
        BlockReader& reader = readers[static_cast<std::size_t>(thread)];
        Part& part = parts[static_cast<std::size_t>(begin / block)];
        const std::byte* first = data + begin * row_stride;
        Index* sizes = out.indptr.data() + begin + 1;
        if (by_columns)
            reader.read_columns(Lines{first, row_stride}, label_stride, begin, end - begin, sizes, part);
        else
            reader.read_rows(Lines{first, label_stride}, row_stride, begin, end - begin, sizes, part);
    });

    std::size_t n_stored = 0;
    bool all_positive = true;
    for (const Part& part : parts) {
        n_stored += part.labels.size();
        all_positive &= part.values.empty();
        out.n_positive += part.n_positive;
        out.n_zero += part.n_zero;
        out.n_minus_one += part.n_minus_one;
        if (part.bad_row >= 0 && out.bad_row < 0) {
            out.bad_row = part.bad_row;
            out.bad_label = part.bad_label;
        }
    }
    for (std::size_t i = 1; i < out.indptr.size(); ++i) out.indptr[i] += out.indptr[i - 1];
    out.indices.reserve(n_stored);
    if (!all_positive) out.values.reserve(n_stored);
    for (Part& part : parts) {
        out.indices.insert(out.indices.end(), part.labels.begin(), part.labels.end());
        if (!all_positive) {
            part.values.resize(part.labels.size(), 1);
            out.values.insert(out.values.end(), part.values.begin(), part.values.end());
        }
        part = Part();
    }
    return out;
}

}  // namespace mlkit::labels
