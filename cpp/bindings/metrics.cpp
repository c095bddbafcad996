#include "metrics_walks.hpp"
#include "mlkit/metrics/bootstrap.hpp"
#include "mlkit/metrics/curves.hpp"
#include "mlkit/metrics/influence.hpp"
#include "mlkit/metrics/pooled_influence.hpp"
#include "mlkit/metrics/ranking.hpp"
#include "mlkit/metrics/reliability.hpp"
#include "mlkit/metrics/sets.hpp"
#include "mlkit/metrics/top_labels.hpp"

namespace mlkit::bindings {

using namespace mlkit::metrics;

namespace {

/// Sums per label as floats, in units of weight: (n_labels, 4).
template <class Sum>
py::array_t<double> counts_to_numpy(const LabelCounts<Sum>& counts) {
    std::vector<double> flat;
    flat.reserve(4 * counts.hits.size());
    for (std::size_t j = 0; j < counts.hits.size(); ++j)
        for (const Sum* sum : {&counts.hits[j], &counts.predicted[j], &counts.positive[j], &counts.known[j]})
            flat.push_back(in_units(*sum));
    return to_numpy(std::move(flat), {static_cast<py::ssize_t>(counts.hits.size()), 4});
}

template <class Walk>
py::tuple counted(const LabelView& truth, Walk&& walk, const Units& units, bool by_row, int n_threads) {
    const RowWeights weights = row_weights(units, truth.n_rows);
    py::object rows = py::none();
    RowCounts* out = nullptr;
    if (by_row) {
        static_assert(sizeof(RowCounts) == 4 * sizeof(std::int32_t));
        py::array_t<std::int32_t> array({truth.n_rows, Index{4}});
        out = reinterpret_cast<RowCounts*>(array.mutable_data());
        rows = std::move(array);
    }
    const Team all = team(n_threads);
    py::object labels;
    if (units)
        labels = counts_to_numpy(without_gil([&] { return count_cells<WideSum>(truth, walk, weights, all, out); }));
    else
        labels = counts_to_numpy(without_gil([&] { return count_cells<Index>(truth, walk, weights, all, out); }));
    return py::make_tuple(labels, rows);
}

template <class Walk>
Doubles influences(const LabelView& truth, Walk&& walk, const Doubles& coefficients, int n_threads) {
    require(coefficients.ndim() == 3 && coefficients.shape(0) == truth.n_labels && coefficients.shape(2) == 3,
            "coefficients: expected shape (n_labels, n_measures, 3)");
    const Index n_measures = coefficients.shape(1);
    Doubles out({truth.n_rows, n_measures});
    double* to = out.mutable_data();
    const Team all = team(n_threads);
    without_gil([&] { sum_influences(truth, walk, coefficients.data(), n_measures, all, to); });
    return out;
}

void register_sets(py::module_& m) {
    m.def(
        "count_cells",
        [](const Labels& truth, const Labels& predicted, const Units& weights, bool by_row, int n_threads) {
            return counted(truth.view, walk_labels(truth, predicted), weights, by_row, n_threads);
        },
        py::arg("truth"), py::arg("predicted"), py::arg("weights").noconvert(), py::arg("by_row"),
        py::arg("n_threads"));
    m.def(
        "count_cells_at",
        [](const Labels& truth, const ScoreArrays& scores, const Doubles& cut, const Units& weights, bool by_row,
           int n_threads) { return counted(truth.view, walk_scores(truth, scores, cut), weights, by_row, n_threads); },
        py::arg("truth"), py::arg("scores"), py::arg("cut").noconvert(), py::arg("weights").noconvert(),
        py::arg("by_row"), py::arg("n_threads"));
    m.def(
        "sum_influences",
        [](const Labels& truth, const Labels& predicted, const Doubles& coefficients, int n_threads) {
            return influences(truth.view, walk_labels(truth, predicted), coefficients, n_threads);
        },
        py::arg("truth"), py::arg("predicted"), py::arg("coefficients").noconvert(), py::arg("n_threads"));
    m.def(
        "sum_influences_at",
        [](const Labels& truth, const ScoreArrays& scores, const Doubles& cut, const Doubles& coefficients,
           int n_threads) { return influences(truth.view, walk_scores(truth, scores, cut), coefficients, n_threads); },
        py::arg("truth"), py::arg("scores"), py::arg("cut").noconvert(), py::arg("coefficients").noconvert(),
        py::arg("n_threads"));
}

template <class Walk>
Array<std::int32_t> label_replicates(const LabelView& truth, Walk&& walk, const Array<Index>& ids, std::uint64_t seed,
                                     Index begin, Index n_boot, int n_threads) {
    require(ids.size() == truth.n_rows, "ids: expected one for each row");
    Array<std::int32_t> out({truth.n_labels, Index{3}, n_boot});
    std::int32_t* to = out.mutable_data();
    const Team all = team(n_threads);
    without_gil([&] { bootstrap_labels(truth, walk, ids.data(), seed, begin, n_boot, all, to); });
    return out;
}

void register_bootstrap(py::module_& m) {
    m.def(
        "bootstrap_rows",
        [](const Array<Index>& ids, const Array<Index>& values, std::uint64_t seed, Index n_boot, int n_threads) {
            require(values.ndim() == 2 && values.shape(0) == ids.size(), "values: expected one row for each id");
            Array<Index> out({n_boot, static_cast<Index>(values.shape(1))});
            Index* to = out.mutable_data();
            without_gil([&] {
                bootstrap_rows(ids.data(), values.data(), ids.size(), values.shape(1), seed, n_boot, team(n_threads),
                               to);
            });
            return out;
        },
        py::arg("ids").noconvert(), py::arg("values").noconvert(), py::arg("seed"), py::arg("n_boot"),
        py::arg("n_threads"));
    m.def(
        "bootstrap_columns",
        [](const Array<Index>& ids, const std::vector<Doubles>& columns, const Doubles& scales, std::uint64_t seed,
           Index n_boot, int n_threads) {
            require(scales.size() == static_cast<Index>(columns.size()), "scales: expected one for each column");
            std::vector<const double*> data;
            for (const Doubles& column : columns) {
                require(column.size() == ids.size(), "columns: expected one number for each id");
                data.push_back(column.data());
            }
            Array<Index> out({n_boot, static_cast<Index>(columns.size())});
            Index* to = out.mutable_data();
            without_gil([&] {
                bootstrap_columns(ids.data(), data, scales.data(), ids.size(), seed, n_boot, team(n_threads), to);
            });
            return out;
        },
        py::arg("ids").noconvert(), py::arg("columns"), py::arg("scales").noconvert(), py::arg("seed"),
        py::arg("n_boot"), py::arg("n_threads"));
    m.def(
        "bootstrap_labels",
        [](const Labels& truth, const Labels& predicted, const Array<Index>& ids, std::uint64_t seed, Index begin,
           Index n_boot, int n_threads) {
            return label_replicates(truth.view, walk_labels(truth, predicted), ids, seed, begin, n_boot, n_threads);
        },
        py::arg("truth"), py::arg("predicted"), py::arg("ids").noconvert(), py::arg("seed"), py::arg("begin"),
        py::arg("n_boot"), py::arg("n_threads"));
    m.def(
        "bootstrap_labels_at",
        [](const Labels& truth, const ScoreArrays& scores, const Doubles& cut, const Array<Index>& ids,
           std::uint64_t seed, Index begin, Index n_boot, int n_threads) {
            return label_replicates(truth.view, walk_scores(truth, scores, cut), ids, seed, begin, n_boot, n_threads);
        },
        py::arg("truth"), py::arg("scores"), py::arg("cut").noconvert(), py::arg("ids").noconvert(), py::arg("seed"),
        py::arg("begin"), py::arg("n_boot"), py::arg("n_threads"));
}

void register_ranking(py::module_& m) {
    m.def(
        "rank_rows",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& discounts, Index gain_limit, bool by_row,
           const std::vector<Index>& ks, const Weights& propensities, bool ties_average, bool drops_absent,
           int n_threads) {
            const Index n = labels.view.n_rows, n_labels = labels.view.n_labels;
            require(discounts.size() == n_labels + 1, "discounts: expected one for each rank, and 0");
            require(!propensities || propensities->size() == n_labels, "propensities: expected one for each label");
            RankingPlan plan{ties_average ? Ties::average : Ties::column,
                             drops_absent,
                             ks,
                             gain_limit,
                             discounts.data(),
                             pointer(propensities)};
            Doubles rows({by_row ? n : 0, static_cast<Index>(n_row_measures)});
            Doubles top({ks.empty() ? 0 : n, static_cast<Index>(ks.size()), static_cast<Index>(n_top_measures)});
            double* to_rows = by_row ? rows.mutable_data() : nullptr;
            double* to_top = ks.empty() ? nullptr : top.mutable_data();
            without_gil([&] { rank_rows(cells_of(labels, scores), plan, team(n_threads), to_rows, to_top); });
            return py::make_tuple(rows, top);
        },
        py::arg("labels"), py::arg("scores"), py::arg("discounts").noconvert(), py::arg("gain_limit"),
        py::arg("by_row"), py::arg("ks"), py::arg("propensities").noconvert(), py::arg("ties_average"),
        py::arg("drops_absent"), py::arg("n_threads"));
    m.def(
        "top_labels",
        [](const Labels& labels, const ScoreArrays& scores, Index k, bool drops_absent, int n_threads) {
            Array<std::int32_t> out({labels.view.n_rows, k});
            std::int32_t* to = out.mutable_data();
            without_gil([&] { top_labels(cells_of(labels, scores), k, drops_absent, team(n_threads), to); });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("k"), py::arg("drops_absent"), py::arg("n_threads"));
}

void register_curves(py::module_& m) {
    m.def(
        "label_curves",
        [](const Labels& labels, const ScoreArrays& scores, const Units& units, double max_fpr, int n_threads) {
            const RowWeights weights = row_weights(units, labels.view.n_rows);
            Doubles out({labels.view.n_labels, static_cast<Index>(n_curve_measures)});
            double* to = out.mutable_data();
            without_gil([&] {
                if (units)
                    label_curves<WideSum>(cells_of(labels, scores), weights, max_fpr, team(n_threads), to);
                else
                    label_curves<Index>(cells_of(labels, scores), weights, max_fpr, team(n_threads), to);
            });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("weights").noconvert(), py::arg("max_fpr"), py::arg("n_threads"));
    m.def(
        "curve_influences",
        [](const Labels& labels, const ScoreArrays& scores, const Units& units, const Weights& weights,
           const Doubles& shares, int n_threads) {
            const Index n = labels.view.n_rows, n_labels = labels.view.n_labels;
            const RowWeights of_rows = row_weights(units, n);
            require(shares.size() == static_cast<Index>(n_shares) * n_labels, "shares: expected four for each label");
            require(units.has_value() == weights.has_value(), "weights: expected beside their units");
            Doubles out({n_labels, static_cast<Index>(n_curve_measures)}), rows({n, static_cast<Index>(n_shares)});
            Doubles variances({n_labels, Index{2}});
            double *to = out.mutable_data(), *to_rows = rows.mutable_data(), *to_variances = variances.mutable_data();
            without_gil([&] {
                const Cells cells = cells_of(labels, scores);
                if (units)
                    curve_influences<WideSum>(cells, of_rows, pointer(weights), shares.data(), team(n_threads), to,
                                              to_rows, to_variances);
                else
                    curve_influences<Index>(cells, of_rows, nullptr, shares.data(), team(n_threads), to, to_rows,
                                            to_variances);
            });
            return py::make_tuple(out, rows, variances);
        },
        py::arg("labels"), py::arg("scores"), py::arg("units").noconvert(), py::arg("weights").noconvert(),
        py::arg("shares").noconvert(), py::arg("n_threads"));
    m.def(
        "pooled_influences",
        [](const Labels& labels, const ScoreArrays& scores, const Units& units, int n_threads) {
            const RowWeights weights = row_weights(units, labels.view.n_rows);
            Doubles out(static_cast<Index>(n_curve_measures)), rows({labels.view.n_rows, Index{2}});
            double *to = out.mutable_data(), *to_rows = rows.mutable_data();
            without_gil([&] {
                const Cells cells = cells_of(labels, scores);
                if (units)
                    pooled_influences<WideSum>(cells, weights, team(n_threads), to, to_rows);
                else
                    pooled_influences<Index>(cells, weights, team(n_threads), to, to_rows);
            });
            return py::make_tuple(out, rows);
        },
        py::arg("labels"), py::arg("scores"), py::arg("weights").noconvert(), py::arg("n_threads"));
    m.def(
        "pooled_curve",
        [](const Labels& labels, const ScoreArrays& scores, const Units& units, double max_fpr, int n_threads) {
            const RowWeights weights = row_weights(units, labels.view.n_rows);
            Doubles out(static_cast<Index>(n_curve_measures));
            double* to = out.mutable_data();
            without_gil([&] {
                const Cells cells = cells_of(labels, scores);
                measure_curve(units ? pooled_curve<WideSum>(cells, weights, team(n_threads))
                                    : pooled_curve<Index>(cells, weights, team(n_threads)),
                              max_fpr, to);
            });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("weights").noconvert(), py::arg("max_fpr"), py::arg("n_threads"));
}

py::array_t<double> bins_to_numpy(const std::vector<BinSums>& sums, std::vector<py::ssize_t> shape) {
    std::vector<double> flat;
    flat.reserve(3 * sums.size());
    for (const BinSums& bin : sums)
        flat.insert(flat.end(), {bin.weight.value(), bin.probability.value(), bin.positive.value()});
    return to_numpy(std::move(flat), std::move(shape));
}

void register_reliability(py::module_& m) {
    m.def(
        "bin_cells",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& edges, bool by_label, bool closed_left,
           const Weights& weights, int n_threads) {
            require(edges.ndim() == 2 && (edges.shape(0) == 1 || edges.shape(0) == labels.view.n_labels),
                    "edges: expected one row, or one for each label");
            const Bins bins{edges.data(), edges.shape(1) + 1, by_label, edges.shape(0) > 1, closed_left};
            const auto sums = without_gil(
                [&] { return bin_cells(cells_of(labels, scores), bins, pointer(weights), team(n_threads)); });
            return bins_to_numpy(sums, {bins.n_groups(labels.view.n_labels), bins.n_bins, 3});
        },
        py::arg("labels"), py::arg("scores"), py::arg("edges").noconvert(), py::arg("by_label"), py::arg("closed_left"),
        py::arg("weights").noconvert(), py::arg("n_threads"));
    m.def(
        "sum_losses",
        [](const Labels& labels, const ScoreArrays& scores, bool by_label, double epsilon, const Weights& weights,
           int n_threads) {
            const auto sums = without_gil([&] {
                return sum_losses(cells_of(labels, scores), by_label, epsilon, pointer(weights), team(n_threads));
            });
            std::vector<double> flat;
            for (const LossSums& loss : sums)
                flat.insert(flat.end(), {loss.weight.value(), loss.squared.value(), loss.logarithmic.value()});
            return to_numpy(std::move(flat), {static_cast<py::ssize_t>(sums.size()), py::ssize_t{3}});
        },
        py::arg("labels"), py::arg("scores"), py::arg("by_label"), py::arg("epsilon"), py::arg("weights").noconvert(),
        py::arg("n_threads"));
    m.def(
        "calibrate",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& edges, double epsilon,
           const Weights& weights, int n_threads) {
            const Bins bins{edges.data(), edges.size() + 1, false, false, false};
            Doubles out({labels.view.n_labels, static_cast<Index>(n_calibration_measures)});
            double* to = out.mutable_data();
            const auto pooled = without_gil([&] {
                return calibrate(cells_of(labels, scores), bins, epsilon, pointer(weights), team(n_threads), to);
            });
            return py::make_tuple(out, bins_to_numpy(pooled, {bins.n_bins, 3}));
        },
        py::arg("labels"), py::arg("scores"), py::arg("edges").noconvert(), py::arg("epsilon"),
        py::arg("weights").noconvert(), py::arg("n_threads"));
}

}  // namespace

void register_metrics(py::module_& m) {
    register_sets(m);
    register_bootstrap(m);
    register_ranking(m);
    register_curves(m);
    register_reliability(m);
}

}  // namespace mlkit::bindings
