#pragma once
// NumPy arrays as views, vectors as NumPy arrays, and the GIL. Nothing is judged or copied here: the Python layer hands
// over arrays in the exact types that the kernels take.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mlkit/core/cells.hpp"

namespace mlkit::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

/// A team whose calling thread looks for Ctrl-C.
inline Team team(int n_threads) {
    return {n_threads, [] {
                const py::gil_scoped_acquire gil;
                return PyErr_CheckSignals() != 0;
            }};
}

/// Runs f without the GIL; an interrupt becomes the Python exception that is already set.
template <class F>
auto without_gil(F&& f) {
    try {
        const py::gil_scoped_release released;
        return f();
    } catch (const Interrupted&) {
        throw py::error_already_set();
    }
}

/// Hands a vector's memory over to an array of the given shape (default: one dimension).
template <class T>
py::array_t<T> to_numpy(std::vector<T>&& values, std::vector<py::ssize_t> shape = {}) {
    auto owner = std::make_unique<std::vector<T>>(std::move(values));
    if (shape.empty()) shape = {static_cast<py::ssize_t>(owner->size())};
    T* data = owner->data();
    const py::capsule keep(owner.release(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
    return py::array_t<T>(shape, data, keep);
}

inline Real real_of(const py::array& a) {
    const py::dtype type = a.dtype();
    if (type.kind() == 'f' && type.itemsize() == 8) return Real::float64;
    if (type.kind() == 'f' && type.itemsize() == 4) return Real::float32;
    if (type.kind() == 'f' && type.itemsize() == 2) return Real::float16;
    throw std::invalid_argument("scores: expected float16, float32 or float64 in native byte order");
}

inline void require(bool holds, const char* contract) {
    if (!holds) throw std::invalid_argument(contract);
}

/// Labels with the arrays that carry them.
struct Labels {
    Array<Index> indptr;
    Array<std::int32_t> indices;
    std::optional<Array<std::int8_t>> values;
    LabelView view;

    Labels(Array<Index> indptr_, Array<std::int32_t> indices_, std::optional<Array<std::int8_t>> values_,
           Index n_labels, bool unknown_background)
        : indptr(std::move(indptr_)), indices(std::move(indices_)), values(std::move(values_)) {
        require(indptr.ndim() == 1 && indptr.size() >= 1, "labels: indptr needs at least one entry");
        require(indices.size() >= indptr.data()[indptr.size() - 1], "labels: indices are shorter than indptr says");
        require(!values || values->size() == indices.size(), "labels: values and indices differ in length");
        view = {indptr.size() - 1,
                n_labels,
                indptr.data(),
                indices.data(),
                values ? values->data() : nullptr,
                unknown_background ? Background::unknown : Background::negative};
    }
};

/// Scores with the arrays that carry them.
struct ScoreArrays {
    py::array data;
    std::optional<Array<Index>> indptr;
    std::optional<Array<std::int32_t>> indices;
    Scores view;
    Index n_rows, n_labels;

    ScoreArrays(py::array dense, bool clip) : data(std::move(dense)) {
        require(data.ndim() == 2, "scores: expected two dimensions");
        n_rows = data.shape(0);
        n_labels = data.shape(1);
        view = DenseScores{
            n_rows,        n_labels, static_cast<const std::byte*>(data.data()), data.strides(0), data.strides(1),
            real_of(data), clip};
    }
    ScoreArrays(Array<Index> indptr_, Array<std::int32_t> indices_, py::array stored, Index n_labels_, bool clip)
        : data(std::move(stored)), indptr(std::move(indptr_)), indices(std::move(indices_)), n_labels(n_labels_) {
        require(indptr->size() >= 1 && data.ndim() == 1, "scores: expected one-dimensional arrays");
        n_rows = indptr->size() - 1;
        require(indices->size() >= indptr->data()[n_rows] && data.size() == indices->size(),
                "scores: data, indices and indptr disagree");
        require(data.size() < 2 || data.strides(0) == data.itemsize(), "scores: expected contiguous data");
        view = SparseScores{
            n_rows,        n_labels, indptr->data(), indices->data(), static_cast<const std::byte*>(data.data()),
            real_of(data), clip};
    }
};

inline Cells cells_of(const Labels& labels, const ScoreArrays& scores) {
    require(labels.view.n_rows == scores.n_rows && labels.view.n_labels == scores.n_labels,
            "labels and scores differ in shape");
    return {labels.view, scores.view};
}

}  // namespace mlkit::bindings
