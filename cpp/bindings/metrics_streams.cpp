#include "metrics_walks.hpp"
#include "mlkit/metrics/pooled_curve.hpp"
#include "mlkit/metrics/reliability.hpp"
#include "mlkit/metrics/weighted_bootstrap.hpp"

namespace mlkit::bindings {

using namespace mlkit::metrics;

namespace {

/// Sums as pairs of words, which add up to those of all the data: value = (high * 2^32 + low) units.
class Words {
  public:
    explicit Words(std::size_t n) { flat_.reserve(2 * n); }

    void push(const WideSum& sum) {
        const WideSum c = sum.canonical();
        flat_.insert(flat_.end(), {c.high, c.low});
    }
    py::array_t<Index> array(std::vector<py::ssize_t> shape) {
        shape.push_back(2);
        return to_numpy(std::move(flat_), std::move(shape));
    }

  private:
    std::vector<Index> flat_;
};

template <class Walk>
py::array_t<Index> count_words(const LabelView& truth, Walk&& walk, const Array<std::uint64_t>& units, int n_threads) {
    require(units.size() == truth.n_rows, "units: expected one for each row");
    const RowWeights weights{units.data()};
    const Team all = team(n_threads);
    const auto counts = without_gil([&] { return count_cells<WideSum>(truth, walk, weights, all, nullptr); });
    Words words(4 * counts.hits.size());
    for (std::size_t j = 0; j < counts.hits.size(); ++j)
        for (const WideSum* sum : {&counts.hits[j], &counts.predicted[j], &counts.positive[j], &counts.known[j]})
            words.push(*sum);
    return words.array({truth.n_labels, py::ssize_t{4}});
}

template <class Walk>
Array<Index> label_weights(const LabelView& truth, Walk&& walk, const Array<Index>& ids,
                           const Array<std::uint64_t>& units, std::uint64_t seed, Index begin, Index n_boot,
                           int n_threads) {
    require(ids.size() == truth.n_rows && units.size() == truth.n_rows, "ids and units: expected one for each row");
    Array<Index> out({truth.n_labels, Index{3}, n_boot});
    Index* to = out.mutable_data();
    const Team all = team(n_threads);
    without_gil([&] { bootstrap_label_weights(truth, walk, ids.data(), units.data(), seed, begin, n_boot, all, to); });
    return out;
}

void register_words(py::module_& m) {
    m.def(
        "count_words",
        [](const Labels& truth, const Labels& predicted, const Array<std::uint64_t>& units, int n_threads) {
            return count_words(truth.view, walk_labels(truth, predicted), units, n_threads);
        },
        py::arg("truth"), py::arg("predicted"), py::arg("units").noconvert(), py::arg("n_threads"));
    m.def(
        "count_words_at",
        [](const Labels& truth, const ScoreArrays& scores, const Doubles& cut, const Array<std::uint64_t>& units,
           int n_threads) { return count_words(truth.view, walk_scores(truth, scores, cut), units, n_threads); },
        py::arg("truth"), py::arg("scores"), py::arg("cut").noconvert(), py::arg("units").noconvert(),
        py::arg("n_threads"));
    m.def(
        "bin_words",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& edges, const Weights& weights,
           int n_threads) {
            require(edges.ndim() == 2 && edges.shape(0) == 1, "edges: expected one row");
            const Bins bins{edges.data(), edges.shape(1) + 1, true, false, false};
            const auto sums = without_gil(
                [&] { return bin_cells(cells_of(labels, scores), bins, pointer(weights), team(n_threads)); });
            Words words(3 * sums.size());
            for (const BinSums& bin : sums)
                for (const ExactSum* sum : {&bin.weight, &bin.probability, &bin.positive}) words.push(sum->words());
            return words.array({labels.view.n_labels, bins.n_bins, py::ssize_t{3}});
        },
        py::arg("labels"), py::arg("scores"), py::arg("edges").noconvert(), py::arg("weights").noconvert(),
        py::arg("n_threads"));
    m.def(
        "loss_words",
        [](const Labels& labels, const ScoreArrays& scores, double epsilon, const Weights& weights, int n_threads) {
            const auto sums = without_gil(
                [&] { return sum_losses(cells_of(labels, scores), true, epsilon, pointer(weights), team(n_threads)); });
            Words words(3 * sums.size());
            for (const LossSums& loss : sums)
                for (const ExactSum* sum : {&loss.weight, &loss.squared, &loss.logarithmic}) words.push(sum->words());
            return words.array({labels.view.n_labels, py::ssize_t{3}});
        },
        py::arg("labels"), py::arg("scores"), py::arg("epsilon"), py::arg("weights").noconvert(), py::arg("n_threads"));
}

void register_replicates(py::module_& m) {
    m.def(
        "bootstrap_label_weights",
        [](const Labels& truth, const Labels& predicted, const Array<Index>& ids, const Array<std::uint64_t>& units,
           std::uint64_t seed, Index begin, Index n_boot, int n_threads) {
            return label_weights(truth.view, walk_labels(truth, predicted), ids, units, seed, begin, n_boot, n_threads);
        },
        py::arg("truth"), py::arg("predicted"), py::arg("ids").noconvert(), py::arg("units").noconvert(),
        py::arg("seed"), py::arg("begin"), py::arg("n_boot"), py::arg("n_threads"));
    m.def(
        "bootstrap_label_weights_at",
        [](const Labels& truth, const ScoreArrays& scores, const Doubles& cut, const Array<Index>& ids,
           const Array<std::uint64_t>& units, std::uint64_t seed, Index begin, Index n_boot, int n_threads) {
            return label_weights(truth.view, walk_scores(truth, scores, cut), ids, units, seed, begin, n_boot,
                                 n_threads);
        },
        py::arg("truth"), py::arg("scores"), py::arg("cut").noconvert(), py::arg("ids").noconvert(),
        py::arg("units").noconvert(), py::arg("seed"), py::arg("begin"), py::arg("n_boot"), py::arg("n_threads"));
}

/// Points of the curve of all cells together: (n_points + 1, 4) positive, negative, and both with what is above; the
/// last row holds the totals.
void register_points(py::module_& m) {
    m.def(
        "curve_points",
        [](const Labels& labels, const ScoreArrays& scores, const Units& units, int n_threads) {
            const RowWeights weights = row_weights(units, labels.view.n_rows);
            const Curve curve = without_gil([&] {
                const Cells cells = cells_of(labels, scores);
                return units ? pooled_curve<WideSum>(cells, weights, team(n_threads))
                             : pooled_curve<Index>(cells, weights, team(n_threads));
            });
            std::vector<double> flat;
            flat.reserve(4 * curve.points.size() + 4);
            for (const CurvePoint& p : curve.points)
                flat.insert(flat.end(), {p.positive, p.negative, p.positive_above, p.negative_above});
            flat.insert(flat.end(), {0.0, 0.0, curve.positive, curve.negative});
            return to_numpy(std::move(flat), {static_cast<py::ssize_t>(curve.points.size()) + 1, py::ssize_t{4}});
        },
        py::arg("labels"), py::arg("scores"), py::arg("weights").noconvert(), py::arg("n_threads"));
}

}  // namespace

void register_metric_streams(py::module_& m) {
    register_words(m);
    register_replicates(m);
    register_points(m);
}

}  // namespace mlkit::bindings
