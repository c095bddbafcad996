#include "mlkit/metrics/plain_pairs.hpp"
#include "numpy_views.hpp"

namespace mlkit::bindings {

using namespace mlkit::metrics;

namespace {

bool is_native(const py::array& a) {
    const char order = a.dtype().byteorder();
    return order == '=' || order == '|';
}

/// Calls f with a value of the array's type, if it is one that holds plain 0 and 1; returns whether it did.
template <class F>
bool with_plain_type(const py::array& a, F&& f) {
    const char kind = a.dtype().kind();
    const auto size = a.itemsize();
    if (!is_native(a)) return false;
    if (kind == 'b' || ((kind == 'i' || kind == 'u') && size == 1)) return f(std::uint8_t{}), true;
    if ((kind == 'i' || kind == 'u') && size == 4) return f(std::uint32_t{}), true;
    if ((kind == 'i' || kind == 'u') && size == 8) return f(std::uint64_t{}), true;
    if (kind == 'f' && size == 4) return f(float{}), true;
    if (kind == 'f' && size == 8) return f(double{}), true;
    return false;
}

std::optional<PlainRows> plain_rows(const py::array& a) {
    PlainRows rows{static_cast<const std::byte*>(a.data()), a.strides(0), nullptr};
    if (a.strides(1) != a.itemsize()) return std::nullopt;
    if (!with_plain_type(a, [&](auto value) { rows.marks = &metrics::detail::as_marks<decltype(value)>; }))
        return std::nullopt;
    return rows;
}

/// Arrays of one matrix as they came: indptr, indices, data.
using CsrArrays = std::tuple<py::array, py::array, py::array>;

template <class ColumnIndex>
std::optional<PlainCsr<ColumnIndex>> plain_csr(const CsrArrays& of, Index n_rows) {
    const auto& [indptr, indices, data] = of;
    for (const py::array* a : {&indptr, &indices, &data})
        if (a->ndim() != 1 || a->strides(0) != a->itemsize()) return std::nullopt;
    for (const py::array* a : {&indptr, &indices})
        if (a->dtype().kind() != 'i' || a->itemsize() != sizeof(ColumnIndex) || !is_native(*a)) return std::nullopt;
    if (indptr.size() != n_rows + 1 || indices.size() != data.size()) return std::nullopt;
    PlainCsr<ColumnIndex> m{static_cast<const ColumnIndex*>(indptr.data()),
                            static_cast<const ColumnIndex*>(indices.data()),
                            indices.size(),
                            static_cast<const std::byte*>(data.data()),
                            data.itemsize(),
                            nullptr};
    if (!with_plain_type(data, [&](auto value) { m.all_one = &metrics::detail::all_one<decltype(value)>; }))
        return std::nullopt;
    return m;
}

/// Runs count(labels, rows): (n_counts, 4) and (n_rows, 4) counts, or None where something is not plain.
template <class Count>
py::object plain_counts(Index n_rows, Index n_counts, bool by_row, Count&& count) {
    LabelCounts<Index> labels(n_counts);
    py::array_t<std::int32_t> rows({by_row ? n_rows : 0, Index{4}});
    static_assert(sizeof(RowCounts) == 4 * sizeof(std::int32_t));
    auto* to = by_row ? reinterpret_cast<RowCounts*>(rows.mutable_data()) : nullptr;
    if (!without_gil([&] { return count(labels, to); })) return py::none();
    Array<double> table({n_counts, Index{4}});
    double* out = table.mutable_data();
    for (std::size_t j = 0; j < labels.hits.size(); ++j)
        for (const auto* sums : {&labels.hits, &labels.predicted, &labels.positive, &labels.known})
            *out++ = static_cast<double>((*sums)[j]);
    return py::make_tuple(table, rows);
}

template <class ColumnIndex>
py::object count_csr(const CsrArrays& truth, const CsrArrays& predicted, Index n_rows, Index n_labels, bool by_label,
                     bool by_row, int n_threads) {
    const auto a = plain_csr<ColumnIndex>(truth, n_rows), b = plain_csr<ColumnIndex>(predicted, n_rows);
    if (!a || !b) return py::none();
    return plain_counts(n_rows, by_label ? n_labels : 1, by_row, [&](LabelCounts<Index>& labels, RowCounts* rows) {
        return count_plain(*a, *b, n_rows, n_labels, labels, rows, team(n_threads));
    });
}

}  // namespace

void register_metric_pairs(py::module_& m) {
    m.def(
        "count_plain_rows",
        [](const py::array& truth, const py::array& predicted, bool by_row, int n_threads) -> py::object {
            const auto a = plain_rows(truth), b = plain_rows(predicted);
            if (!a || !b) return py::none();
            const Index n_rows = truth.shape(0);
            return plain_counts(n_rows, truth.shape(1), by_row, [&](LabelCounts<Index>& labels, RowCounts* rows) {
                return count_plain(*a, *b, n_rows, labels, rows, team(n_threads));
            });
        },
        py::arg("truth").noconvert(), py::arg("predicted").noconvert(), py::arg("by_row"), py::arg("n_threads"));
    m.def(
        "count_plain_csr",
        [](const CsrArrays& truth, const CsrArrays& predicted, Index n_rows, Index n_labels, bool by_label, bool by_row,
           int n_threads) -> py::object {
            py::object counted =
                count_csr<std::int32_t>(truth, predicted, n_rows, n_labels, by_label, by_row, n_threads);
            if (!counted.is_none()) return counted;
            return count_csr<std::int64_t>(truth, predicted, n_rows, n_labels, by_label, by_row, n_threads);
        },
        py::arg("truth"), py::arg("predicted"), py::arg("n_rows"), py::arg("n_labels"), py::arg("by_label"),
        py::arg("by_row"), py::arg("n_threads"));
}

}  // namespace mlkit::bindings
