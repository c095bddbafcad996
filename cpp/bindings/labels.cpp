#include "mlkit/core/scan.hpp"
#include "mlkit/labels/cooccurrence.hpp"
#include "mlkit/labels/counts.hpp"
#include "mlkit/labels/from_dense.hpp"
#include "numpy_views.hpp"

namespace mlkit::bindings {

namespace {

template <class Value>
labels::StoredCells from_dense_as(const py::array& a, bool unknown_background, int n_threads) {
    const auto* data = static_cast<const std::byte*>(a.data());
    const auto n_rows = a.shape(0), n_labels = a.shape(1);
    const auto row_stride = a.strides(0), label_stride = a.strides(1);
    return without_gil([&] {
        return labels::from_dense<Value>(data, n_rows, n_labels, row_stride, label_stride, unknown_background,
                                         team(n_threads));
    });
}

py::dict from_dense(const py::array& a, bool unknown_background, int n_threads) {
    require(a.ndim() == 2, "labels: expected two dimensions");
    labels::StoredCells cells = [&] {
        const char kind = a.dtype().kind();
        const auto size = a.itemsize();
        const auto as = [&](auto value) { return from_dense_as<decltype(value)>(a, unknown_background, n_threads); };
        if (kind == 'b' || (kind == 'u' && size == 1)) return as(std::uint8_t{});
        if (kind == 'i' && size == 1) return as(std::int8_t{});
        if (kind == 'i' && size == 2) return as(std::int16_t{});
        if (kind == 'i' && size == 4) return as(std::int32_t{});
        if (kind == 'i' && size == 8) return as(std::int64_t{});
        if (kind == 'u' && size == 2) return as(std::uint16_t{});
        if (kind == 'u' && size == 4) return as(std::uint32_t{});
        if (kind == 'u' && size == 8) return as(std::uint64_t{});
        if (kind == 'f' && size == 4) return as(float{});
        if (kind == 'f' && size == 8) return as(double{});
        if (kind == 'f' && size == 2) return as(labels::Half{});
        if (kind == 'f' && size == sizeof(long double)) return as(0.0L);
        throw std::invalid_argument("labels: no kernel for this dtype");
    }();
    py::dict out;
    out["n_positive"] = cells.n_positive;
    out["n_zero"] = cells.n_zero;
    out["n_minus_one"] = cells.n_minus_one;
    out["bad"] = py::make_tuple(cells.bad_row, cells.bad_label);
    out["values"] = cells.values.empty() ? py::object(py::none()) : py::object(to_numpy(std::move(cells.values)));
    out["indptr"] = to_numpy(std::move(cells.indptr));
    out["indices"] = to_numpy(std::move(cells.indices));
    return out;
}

template <class ColumnIndex>
py::tuple scan_rows_of(const Array<Index>& indptr, const Array<ColumnIndex>& indices, Index n_columns, int n_threads) {
    const RowsScan scan = without_gil([&] {
        return scan_rows(indptr.data(), indices.data(), indptr.size() - 1, n_columns, indices.size(), team(n_threads));
    });
    return py::make_tuple(scan.bad_indptr, scan.bad_index, scan.unsorted);
}

template <class T>
py::array_t<T> buffer_to_numpy(labels::Buffer<T>&& buffer) {
    T* data = buffer.data.get();
    const py::capsule keep(buffer.data.release(), [](void* p) { delete[] static_cast<T*>(p); });
    return py::array_t<T>({static_cast<py::ssize_t>(buffer.size)}, data, keep);
}

py::tuple cooccurrence_of(const Labels& l, labels::PairMeasure measure, Index min_count, Index top, int n_threads) {
    labels::PairMatrix pairs =
        without_gil([&] { return labels::cooccurrence(l.view, {measure, min_count, top}, team(n_threads)); });
    py::object data = measure == labels::PairMeasure::count ? py::object(buffer_to_numpy(std::move(pairs.counts)))
                                                            : py::object(buffer_to_numpy(std::move(pairs.values)));
    return py::make_tuple(to_numpy(std::move(pairs.indptr)), buffer_to_numpy(std::move(pairs.indices)),
                          std::move(data));
}

}  // namespace

void register_labels(py::module_& m) {
    py::class_<Labels>(m, "Labels")
        .def(py::init<Array<Index>, Array<std::int32_t>, std::optional<Array<std::int8_t>>, Index, bool>(),
             py::arg("indptr").noconvert(), py::arg("indices").noconvert(), py::arg("values").noconvert(),
             py::arg("n_labels"), py::arg("unknown_background"));
    py::class_<ScoreArrays>(m, "Scores")
        .def(py::init<py::array, bool>(), py::arg("dense").noconvert(), py::arg("clip"))
        .def(py::init<Array<Index>, Array<std::int32_t>, py::array, Index, bool>(), py::arg("indptr").noconvert(),
             py::arg("indices").noconvert(), py::arg("data").noconvert(), py::arg("n_labels"), py::arg("clip"));

    m.def("from_dense", &from_dense, py::arg("indicator").noconvert(), py::arg("unknown_background"),
          py::arg("n_threads"));
    m.def("scan_rows", &scan_rows_of<std::int32_t>, py::arg("indptr").noconvert(), py::arg("indices").noconvert(),
          py::arg("n_columns"), py::arg("n_threads"));
    m.def("scan_rows", &scan_rows_of<std::int64_t>, py::arg("indptr").noconvert(), py::arg("indices").noconvert(),
          py::arg("n_columns"), py::arg("n_threads"));
    m.def(
        "scan_scores",
        [](const ScoreArrays& scores, double low, double high, int n_threads) {
            const ScoreScan scan = without_gil(
                [&] { return scan_scores(scores.view, scores.n_rows, scores.n_labels, low, high, team(n_threads)); });
            py::dict out;
            out["min"] = scan.min;
            out["max"] = scan.max;
            out["n_nan"] = scan.n_nan;
            out["n_outside"] = scan.n_outside;
            out["nan"] = py::make_tuple(scan.nan_row, scan.nan_label);
            out["low"] = py::make_tuple(scan.low_row, scan.low_label);
            out["high"] = py::make_tuple(scan.high_row, scan.high_label);
            return out;
        },
        py::arg("scores"), py::arg("low"), py::arg("high"), py::arg("n_threads"));
    m.def(
        "count_labels",
        [](const Labels& l, int n_threads) {
            labels::LabelCounts counts = without_gil([&] { return labels::count_labels(l.view, team(n_threads)); });
            return py::make_tuple(to_numpy(std::move(counts.positives)), to_numpy(std::move(counts.negatives)));
        },
        py::arg("labels"), py::arg("n_threads"));

    py::enum_<labels::PairMeasure>(m, "PairMeasure")
        .value("count", labels::PairMeasure::count)
        .value("jaccard", labels::PairMeasure::jaccard)
        .value("dice", labels::PairMeasure::dice)
        .value("cosine", labels::PairMeasure::cosine)
        .value("lift", labels::PairMeasure::lift)
        .value("pmi", labels::PairMeasure::pmi)
        .value("phi", labels::PairMeasure::phi);
    m.def("cooccurrence", &cooccurrence_of, py::arg("labels"), py::arg("measure"), py::arg("min_count"), py::arg("top"),
          py::arg("n_threads"));
}

}  // namespace mlkit::bindings
