#include "mlkit/metrics/coverage.hpp"
#include "mlkit/metrics/plain_csr.hpp"
#include "mlkit/metrics/plain_rows.hpp"
#include "mlkit/metrics/row_ratios.hpp"
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
    PlainRows rows{static_cast<const std::byte*>(a.data()), a.strides(0), a.itemsize() == 1, nullptr};
    if (a.strides(1) != a.itemsize()) return std::nullopt;
    if (!with_plain_type(a, [&](auto value) { rows.write_marks = &metrics::detail::write_marks<decltype(value)>; }))
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

/// A matrix as it came: a dense array, or the arrays of a CSR matrix.
using PlainArrays = std::variant<py::array, CsrArrays>;

/// Calls f(truth, predicted) with views of both, whose types agree; None where they have no such views.
template <class F>
py::object with_plain(const PlainArrays& truth, const PlainArrays& predicted, Index n_rows, F&& f) {
    const auto call = [&](const auto& a, const auto& b) -> py::object { return a && b ? f(*a, *b) : py::none(); };
    if (const auto* dense = std::get_if<py::array>(&truth))
        return call(plain_rows(*dense), plain_rows(std::get<py::array>(predicted)));
    const auto &a = std::get<CsrArrays>(truth), &b = std::get<CsrArrays>(predicted);
    if (std::get<1>(a).itemsize() == sizeof(std::int64_t))
        return call(plain_csr<std::int64_t>(a, n_rows), plain_csr<std::int64_t>(b, n_rows));
    return call(plain_csr<std::int32_t>(a, n_rows), plain_csr<std::int32_t>(b, n_rows));
}

bool count_labels(const PlainRows& truth, const PlainRows& predicted, Index n_rows, Index, LabelCounts<Index>& labels,
                  const Team& team) {
    return count_plain_labels(truth, predicted, n_rows, labels, team);
}
template <class ColumnIndex>
bool count_labels(const PlainCsr<ColumnIndex>& truth, const PlainCsr<ColumnIndex>& predicted, Index n_rows,
                  Index n_labels, LabelCounts<Index>& labels, const Team& team) {
    return count_plain_labels(truth, predicted, n_rows, n_labels, labels, team);
}

/// (n_labels, 4) counts; of CSR matrices (1, 4) of all cells unless they are asked for by label.
py::object label_table(const PlainArrays& truth, const PlainArrays& predicted, Index n_rows, Index n_labels,
                       bool by_label, int n_threads) {
    return with_plain(truth, predicted, n_rows, [&](const auto& a, const auto& b) -> py::object {
        const bool is_dense = std::holds_alternative<py::array>(truth);
        LabelCounts<Index> labels(by_label || is_dense ? n_labels : 1);
        if (!without_gil([&] { return count_labels(a, b, n_rows, n_labels, labels, team(n_threads)); }))
            return py::none();
        Array<double> table({static_cast<Index>(labels.hits.size()), Index{4}});
        double* out = table.mutable_data();
        for (std::size_t j = 0; j < labels.hits.size(); ++j)
            for (const auto* sums : {&labels.hits, &labels.predicted, &labels.positive, &labels.known})
                *out++ = static_cast<double>((*sums)[j]);
        return table;
    });
}

/// (n_rows, 4) counts.
py::object row_table(const PlainArrays& truth, const PlainArrays& predicted, Index n_rows, Index n_labels,
                     int n_threads) {
    return with_plain(truth, predicted, n_rows, [&](const auto& a, const auto& b) -> py::object {
        Array<std::int32_t> table({n_rows, Index{4}});
        static_assert(sizeof(RowCounts) == 4 * sizeof(std::int32_t));
        auto* out = reinterpret_cast<RowCounts*>(table.mutable_data());
        const auto take = [&](int, Index first, const RowCounts* rows, Index n) {
            std::copy(rows, rows + n, out + first);
        };
        if (!without_gil([&] { return count_plain_rows(a, b, n_rows, n_labels, team(n_threads), take); }))
            return py::none();
        return table;
    });
}

RowRatio ratio_of(const Array<double>& ratio) {
    require(ratio.ndim() == 2 && ratio.shape(0) == 2 && ratio.shape(1) == 4, "ratio: expected shape (2, 4)");
    RowRatio of;
    std::copy(ratio.data(), ratio.data() + 4, of.numerator);
    std::copy(ratio.data() + 4, ratio.data() + 8, of.denominator);
    return of;
}

py::object to_python(const RatioSums& sums) {
    return py::make_tuple(in_units(sums.units) * 0x1p-50, sums.n_known, sums.n_undefined, sums.n_exact);
}

py::object plain_ratios(const PlainArrays& truth, const PlainArrays& predicted, Index n_rows, Index n_labels,
                        const Array<double>& ratio, int n_threads) {
    const RowRatio of = ratio_of(ratio);
    return with_plain(truth, predicted, n_rows, [&](const auto& a, const auto& b) -> py::object {
        const Team all = team(n_threads);
        std::vector<RatioSums> sums(static_cast<std::size_t>(all.n_threads));
        const auto take = [&](int thread, Index, const RowCounts* rows, Index n) {
            add_ratios(rows, n, of, sums[static_cast<std::size_t>(thread)]);
        };
        if (!without_gil([&] { return count_plain_rows(a, b, n_rows, n_labels, all, take); })) return py::none();
        RatioSums total;
        for (const RatioSums& part : sums) total.add(part);
        return to_python(total);
    });
}

}  // namespace

void register_metric_pairs(py::module_& m) {
    m.def(
        "cover_rows",
        [](const Labels& labels, const ScoreArrays& scores, int n_threads) {
            Array<double> out({labels.view.n_rows, static_cast<Index>(n_cover_columns)});
            double* to = out.mutable_data();
            without_gil([&] { cover_rows(cells_of(labels, scores), team(n_threads), to); });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_threads"));
    m.def("count_plain_labels", &label_table, py::arg("truth"), py::arg("predicted"), py::arg("n_rows"),
          py::arg("n_labels"), py::arg("by_label"), py::arg("n_threads"));
    m.def("count_plain_rows", &row_table, py::arg("truth"), py::arg("predicted"), py::arg("n_rows"),
          py::arg("n_labels"), py::arg("n_threads"));
    m.def("sum_plain_ratios", &plain_ratios, py::arg("truth"), py::arg("predicted"), py::arg("n_rows"),
          py::arg("n_labels"), py::arg("ratio").noconvert(), py::arg("n_threads"));
    m.def(
        "sum_ratios",
        [](const Array<std::int32_t>& rows, const Array<double>& ratio) {
            require(rows.ndim() == 2 && rows.shape(1) == 4, "rows: expected shape (n_rows, 4)");
            RatioSums sums;
            add_ratios(reinterpret_cast<const RowCounts*>(rows.data()), rows.shape(0), ratio_of(ratio), sums);
            return to_python(sums);
        },
        py::arg("rows").noconvert(), py::arg("ratio").noconvert());
}

}  // namespace mlkit::bindings
