#pragma once
// Read-only views of the caller's arrays. Nothing here owns memory; nothing here knows Python.

#include <cstddef>
#include <cstdint>

namespace mlkit {

using Index = std::int64_t;

/// What a cell is that no array mentions: a negative, or unknown (positive-only data).
enum class Background { negative, unknown };

/// The stored cells of one example: ascending label numbers and, unless all are positives, their values
/// (1 positive, 0 negative, -1 unknown).
struct LabelRow {
    const std::int32_t* labels;
    const std::int8_t* values;
    Index size;

    int value(Index k) const { return values ? values[k] : 1; }
};

/// Three-valued labels in compressed rows. `values` is null when every stored cell is a positive, `indptr` when nothing
/// is stored at all.
struct LabelView {
    Index n_rows = 0;
    Index n_labels = 0;
    const Index* indptr = nullptr;
    const std::int32_t* indices = nullptr;
    const std::int8_t* values = nullptr;
    Background background = Background::negative;

    Index n_stored() const { return indptr ? indptr[n_rows] : 0; }
    LabelRow row(Index i) const {
        if (!indptr) return {nullptr, nullptr, 0};
        const Index begin = indptr[i];
        return {indices + begin, values ? values + begin : nullptr, indptr[i + 1] - begin};
    }
};

enum class Real { float16, float32, float64 };

/// Dense scores in any memory order; strides count bytes and may be negative.
struct DenseScores {
    Index n_rows = 0;
    Index n_labels = 0;
    const std::byte* data = nullptr;
    std::ptrdiff_t row_stride = 0;
    std::ptrdiff_t label_stride = 0;
    Real real = Real::float64;
    bool clip = false;  ///< some values leave [0, 1] by rounding: bring them back on reading
};

/// Scores in compressed rows with ascending label numbers; what is not stored is exactly 0.
struct SparseScores {
    Index n_rows = 0;
    Index n_labels = 0;
    const Index* indptr = nullptr;
    const std::int32_t* indices = nullptr;
    const std::byte* data = nullptr;
    Real real = Real::float64;
    bool clip = false;

    Index n_stored() const { return n_rows ? indptr[n_rows] : 0; }
};

/// One example's scores, widened to double: all labels, or the stored ones.
struct DenseRow {
    const double* p;
    Index size;
};
struct SparseRow {
    const std::int32_t* labels;
    const double* p;
    Index size;
};

}  // namespace mlkit
