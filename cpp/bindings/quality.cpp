#include "mlkit/quality/aggregate.hpp"
#include "mlkit/quality/auc.hpp"
#include "mlkit/quality/confident_joint.hpp"
#include "mlkit/quality/cuts.hpp"
#include "mlkit/quality/filters.hpp"
#include "mlkit/quality/flags.hpp"
#include "mlkit/quality/histogram_entries.hpp"
#include "mlkit/quality/noise_rates.hpp"
#include "mlkit/quality/reliability.hpp"
#include "mlkit/quality/row_order.hpp"
#include "mlkit/quality/thresholds.hpp"
#include "mlkit/quality/worst.hpp"
#include "numpy_views.hpp"

namespace mlkit::bindings {

using namespace mlkit::quality;

namespace {

using Doubles = Array<double>;
using Counts = Array<Index>;

std::vector<SideSums> sums_from(const Counts& words) {
    std::vector<SideSums> sums(static_cast<std::size_t>(words.shape(0)));
    for (std::size_t j = 0; j < sums.size(); ++j) {
        const Index* w = words.data() + 4 * j;
        sums[j] = {{w[2], w[3]}, {w[0], w[1]}};
    }
    return sums;
}

py::array_t<Index> sums_to_numpy(const std::vector<SideSums>& sums) {
    std::vector<Index> words;
    words.reserve(4 * sums.size());
    for (const SideSums& s : sums)
        words.insert(words.end(), {s.negative.high, s.negative.low, s.positive.high, s.positive.low});
    return to_numpy(std::move(words), {static_cast<py::ssize_t>(sums.size()), 2, 2});
}

py::array_t<Index> joints_to_numpy(const std::vector<Joint>& joints) {
    std::vector<Index> flat;
    flat.reserve(4 * joints.size());
    for (const Joint& joint : joints)
        for (const auto& row : joint) flat.insert(flat.end(), row.begin(), row.end());
    return to_numpy(std::move(flat), {static_cast<py::ssize_t>(joints.size()), 2, 2});
}

std::vector<Joint> joints_from(const Counts& flat) {
    std::vector<Joint> joints(static_cast<std::size_t>(flat.shape(0)));
    for (std::size_t j = 0; j < joints.size(); ++j)
        for (std::size_t k = 0; k < 4; ++k) joints[j][k / 2][k % 2] = flat.data()[4 * j + k];
    return joints;
}

/// A histogram with the arrays that its cuts point into.
struct Histogram {
    Doubles absent, present;
    DoubtHistogram counts;

    Histogram(const Labels& labels, const ScoreArrays& scores, Doubles absent_, Doubles present_, bool pooled,
              int n_threads)
        : absent(std::move(absent_)),
          present(std::move(present_)),
          counts(labels.view.n_labels, {absent.data(), present.data()}, {pooled},
                 DoubtHistogram::choose_bins(cells_of(labels, scores), n_threads)) {}
};

py::array flagged_rows(const Labels& labels, const ScoreArrays& scores, const FlagPlan& plan, int n_threads) {
    py::array_t<bool> mask(labels.view.n_rows);
    auto* out = reinterpret_cast<std::uint8_t*>(mask.mutable_data());
    without_gil([&] { flag_rows(cells_of(labels, scores), plan, team(n_threads), out); });
    return std::move(mask);
}

py::tuple flagged_cells(const Labels& labels, const ScoreArrays& scores, const FlagPlan& plan, int n_threads) {
    FlaggedCells cells = without_gil([&] { return flag_cells(cells_of(labels, scores), plan, team(n_threads)); });
    return py::make_tuple(to_numpy(std::move(cells.indptr)), to_numpy(std::move(cells.labels)),
                          to_numpy(std::move(cells.given)), to_numpy(std::move(cells.p)),
                          to_numpy(std::move(cells.tied)));
}

CellScorer scorer_of(CellScore kind, const std::optional<Doubles>& thresholds) {
    return {kind, thresholds ? thresholds->data() : nullptr};
}

void register_thresholds(py::module_& m) {
    m.def(
        "side_sums",
        [](const Labels& labels, const ScoreArrays& scores, int n_threads) {
            return sums_to_numpy(without_gil([&] { return side_sums(cells_of(labels, scores), team(n_threads)); }));
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_threads"));
    m.def(
        "thresholds_from_sums",
        [](const Counts& sums, const Counts& n_positive, const Counts& n_negative) {
            Doubles out({sums.shape(0), py::ssize_t{2}});
            thresholds_from_sums(sums_from(sums), n_positive.data(), n_negative.data(), out.mutable_data());
            return out;
        },
        py::arg("sums").noconvert(), py::arg("n_positive").noconvert(), py::arg("n_negative").noconvert());
}

/// Two arrays of one number per label, from a function of the label's two thresholds.
template <class Cuts>
py::tuple cuts_of(const Doubles& thresholds, Cuts&& cuts) {
    const auto n = static_cast<std::size_t>(thresholds.shape(0));
    std::vector<double> first(n), second(n);
    for (std::size_t j = 0; j < n; ++j)
        std::tie(first[j], second[j]) = cuts(thresholds.data()[2 * j], thresholds.data()[2 * j + 1]);
    return py::make_tuple(to_numpy(std::move(first)), to_numpy(std::move(second)));
}

void register_cuts(py::module_& m) {
    m.def(
        "guess_cuts",
        [](const Doubles& thresholds) {
            return cuts_of(thresholds, [](double t0, double t1) {
                const Guess guess = guess_cuts(t0, t1);
                return std::make_pair(guess.one, guess.zero);
            });
        },
        py::arg("thresholds").noconvert());
    m.def(
        "confident_cuts",
        [](const Doubles& thresholds) {
            return cuts_of(thresholds, [](double t0, double t1) {
                const Doubt doubt = confident_cuts(t0, t1);
                return std::make_pair(doubt.absent, doubt.present);
            });
        },
        py::arg("thresholds").noconvert());
    m.def("disagreement_cuts", [] {
        const Doubt doubt = disagreement_cuts();
        return py::make_tuple(doubt.absent, doubt.present);
    });
}

void register_joint(py::module_& m) {
    py::class_<Histogram>(m, "DoubtHistogram")
        .def(py::init<const Labels&, const ScoreArrays&, Doubles, Doubles, bool, int>(), py::arg("labels"),
             py::arg("scores"), py::arg("absent").noconvert(), py::arg("present").noconvert(), py::arg("pooled"),
             py::arg("n_threads"))
        .def_property_readonly("totals", [](const Histogram& h) {
            std::vector<Index> totals;
            for (Index g = 0; g < h.counts.grouping().n_groups(h.absent.size()); ++g)
                totals.push_back(h.counts.total(g));
            return to_numpy(std::move(totals));
        });
    m.def(
        "confident_joint",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& one, const Doubles& zero,
           const Counts& n_negative, Histogram* histogram, int n_threads) {
            return joints_to_numpy(without_gil([&] {
                return confident_joint(cells_of(labels, scores), {one.data(), zero.data()}, n_negative.data(),
                                       histogram ? &histogram->counts : nullptr, team(n_threads));
            }));
        },
        py::arg("labels"), py::arg("scores"), py::arg("one").noconvert(), py::arg("zero").noconvert(),
        py::arg("n_negative").noconvert(), py::arg("histogram"), py::arg("n_threads"));
    m.def(
        "fill_histogram",
        [](Histogram& histogram, const Labels& labels, const ScoreArrays& scores, int n_threads) {
            without_gil([&] { fill_histogram(cells_of(labels, scores), histogram.counts, team(n_threads)); });
        },
        py::arg("histogram"), py::arg("labels"), py::arg("scores"), py::arg("n_threads"));
    m.def(
        "calibrate_joint",
        [](const Counts& joint, const Counts& n_positive, const Counts& n_negative) {
            std::vector<Joint> joints = joints_from(joint);
            for (std::size_t j = 0; j < joints.size(); ++j)
                joints[j] = calibrate_joint(joints[j], n_negative.data()[j], n_positive.data()[j]);
            return joints_to_numpy(joints);
        },
        py::arg("joint").noconvert(), py::arg("n_positive").noconvert(), py::arg("n_negative").noconvert());
    m.def(
        "prune_budgets",
        [](const Counts& joint, const Counts& n_positive, const Counts& n_negative, double frac_noise,
           Index min_examples, PruneRule rule) {
            const std::vector<Joint> joints = joints_from(joint);
            std::vector<Index> budgets;
            budgets.reserve(2 * joints.size());
            for (std::size_t j = 0; j < joints.size(); ++j)
                for (int given = 0; given < 2; ++given)
                    budgets.push_back(prune_budget(joints[j], given, (given ? n_positive : n_negative).data()[j],
                                                   frac_noise, min_examples, rule));
            return to_numpy(std::move(budgets), {static_cast<py::ssize_t>(joints.size()), 2});
        },
        py::arg("joint").noconvert(), py::arg("n_positive").noconvert(), py::arg("n_negative").noconvert(),
        py::arg("frac_noise"), py::arg("min_examples"), py::arg("rule"));
}

void register_flags(py::module_& m) {
    py::enum_<PruneRule>(m, "PruneRule")
        .value("prune_by_noise_rate", PruneRule::by_noise_rate)
        .value("prune_by_class", PruneRule::by_class)
        .value("both", PruneRule::both);
    m.def(
        "flag_rows",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& absent, const Doubles& present,
           int n_threads) {
            return flagged_rows(labels, scores, FlagPlan::all({absent.data(), present.data()}, labels.view.n_labels),
                                n_threads);
        },
        py::arg("labels"), py::arg("scores"), py::arg("absent").noconvert(), py::arg("present").noconvert(),
        py::arg("n_threads"));
    m.def(
        "flag_cells",
        [](const Labels& labels, const ScoreArrays& scores, const Doubles& absent, const Doubles& present,
           int n_threads) {
            return flagged_cells(labels, scores, FlagPlan::all({absent.data(), present.data()}, labels.view.n_labels),
                                 n_threads);
        },
        py::arg("labels"), py::arg("scores"), py::arg("absent").noconvert(), py::arg("present").noconvert(),
        py::arg("n_threads"));
    m.def(
        "flag_rows_within",
        [](const Labels& labels, const ScoreArrays& scores, const Histogram& histogram, const Counts& budgets,
           int n_threads) {
            return flagged_rows(labels, scores,
                                FlagPlan::within(histogram.counts, budgets.data(), labels.view.n_labels), n_threads);
        },
        py::arg("labels"), py::arg("scores"), py::arg("histogram"), py::arg("budgets").noconvert(),
        py::arg("n_threads"));
    m.def(
        "flag_cells_within",
        [](const Labels& labels, const ScoreArrays& scores, const Histogram& histogram, const Counts& budgets,
           int n_threads) {
            return flagged_cells(labels, scores,
                                 FlagPlan::within(histogram.counts, budgets.data(), labels.view.n_labels), n_threads);
        },
        py::arg("labels"), py::arg("scores"), py::arg("histogram"), py::arg("budgets").noconvert(),
        py::arg("n_threads"));
}

void register_scores(py::module_& m) {
    py::enum_<CellScore>(m, "CellScore")
        .value("self_confidence", CellScore::self_confidence)
        .value("confidence_weighted_entropy", CellScore::confidence_weighted_entropy)
        .value("error_posterior", CellScore::error_posterior);
    py::enum_<Aggregate>(m, "Aggregate")
        .value("exponential_moving_average", Aggregate::exponential_moving_average)
        .value("softmin", Aggregate::softmin)
        .value("mean", Aggregate::mean)
        .value("min", Aggregate::min)
        .value("max", Aggregate::max)
        .value("median", Aggregate::median)
        .value("k_smallest", Aggregate::k_smallest)
        .value("log", Aggregate::log);
    m.def(
        "row_scores",
        [](const Labels& labels, const ScoreArrays& scores, CellScore kind, const std::optional<Doubles>& thresholds,
           Aggregate aggregate, double alpha, double temperature, Index k, int n_threads) {
            Doubles out(labels.view.n_rows);
            double* data = out.mutable_data();
            without_gil([&] {
                row_scores(cells_of(labels, scores), scorer_of(kind, thresholds), {aggregate, alpha, temperature, k},
                           team(n_threads), data);
            });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("kind"), py::arg("thresholds").noconvert(), py::arg("aggregate"),
        py::arg("alpha"), py::arg("temperature"), py::arg("k"), py::arg("n_threads"));
    m.def(
        "cell_scores",
        [](const Labels& labels, const ScoreArrays& scores, CellScore kind, const std::optional<Doubles>& thresholds,
           int n_threads) {
            Doubles out({labels.view.n_rows, labels.view.n_labels});
            double* data = out.mutable_data();
            without_gil(
                [&] { cell_scores(cells_of(labels, scores), scorer_of(kind, thresholds), team(n_threads), data); });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("kind"), py::arg("thresholds").noconvert(), py::arg("n_threads"));
    m.def(
        "worst_cells",
        [](const Labels& labels, const ScoreArrays& scores, CellScore kind, const std::optional<Doubles>& thresholds,
           Index top, int n_threads) {
            const auto worst = without_gil([&] {
                return worst_cells(cells_of(labels, scores), scorer_of(kind, thresholds), top, team(n_threads));
            });
            std::vector<Index> rows;
            std::vector<std::int32_t> columns;
            std::vector<std::int8_t> given;
            std::vector<double> p, score;
            for (const ScoredCell& cell : worst) {
                rows.push_back(cell.row);
                columns.push_back(cell.label);
                given.push_back(cell.given);
                p.push_back(cell.p);
                score.push_back(cell.score);
            }
            return py::make_tuple(to_numpy(std::move(rows)), to_numpy(std::move(columns)), to_numpy(std::move(given)),
                                  to_numpy(std::move(p)), to_numpy(std::move(score)));
        },
        py::arg("labels"), py::arg("scores"), py::arg("kind"), py::arg("thresholds").noconvert(), py::arg("top"),
        py::arg("n_threads"));
}

EntriesView entries_of(const Counts& keys, const Counts& counts) { return {keys.data(), counts.data(), keys.size()}; }

py::tuple entries_to_numpy(HistogramEntries entries) {
    return py::make_tuple(to_numpy(std::move(entries.keys)), to_numpy(std::move(entries.counts)));
}

/// An array with a block of numbers for each label, filled by `write(histogram, block)` while `walk(visit)` goes over
/// the labels' histograms.
template <class Write, class Walk>
Doubles by_label(Index n_labels, const std::vector<Index>& block, Write&& write, Walk&& walk) {
    std::vector<Index> shape{n_labels};
    shape.insert(shape.end(), block.begin(), block.end());
    Doubles out(shape);
    double* data = out.mutable_data();
    const Index size = n_labels ? out.size() / n_labels : 0;
    without_gil([&] { walk([&](Index label, const LabelHistogram& h) { write(h, data + label * size); }); });
    return out;
}
template <class Write>
Doubles from_cells(const Labels& labels, const ScoreArrays& scores, const Counts& n_negative, int n_threads,
                   const std::vector<Index>& block, Write&& write) {
    return by_label(labels.view.n_labels, block, write, [&](auto&& visit) {
        for_each_label_histogram(cells_of(labels, scores), n_negative.data(), team(n_threads), visit);
    });
}
template <class Write>
Doubles from_entries(const Counts& keys, const Counts& counts, Index n_labels, int n_threads,
                     const std::vector<Index>& block, Write&& write) {
    return by_label(n_labels, block, write, [&](auto&& visit) {
        for_each_listed_histogram(entries_of(keys, counts), n_labels, team(n_threads), visit);
    });
}

const std::vector<Index> auc_block{2}, noise_block{2, 9}, reliability_block{Reliability::size, 3};

void write_auc(const LabelHistogram& histogram, double* to) {
    const Auc area = auc_from_histogram(histogram);
    to[0] = area.value;
    to[1] = area.error;
}

void write_noise(const LabelHistogram& histogram, const DevianceLimits& limits, double* to) {
    for (const DirectionEstimate& e : estimate_noise(histogram, limits)) {
        const double values[] = {e.flip,         e.flip_low,         e.flip_high,     e.n_wrong, e.n_wrong_low,
                                 e.n_wrong_high, e.n_wrong_variance, e.n_wrong_error, e.deviance};
        to = std::copy(std::begin(values), std::end(values), to);
    }
}

void write_reliability(const LabelHistogram& histogram, Index tail, double* to) {
    for (const ReliabilityBin& bin : reliability(histogram, tail).bins) {
        const double values[] = {bin.n_negative, bin.n_positive, bin.sum_p};
        to = std::copy(std::begin(values), std::end(values), to);
    }
}

void register_histograms(py::module_& m) {
    m.def(
        "label_auc",
        [](const Labels& labels, const ScoreArrays& scores, const Counts& n_negative, int n_threads) {
            return from_cells(labels, scores, n_negative, n_threads, auc_block, write_auc);
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_negative").noconvert(), py::arg("n_threads"));
    m.def(
        "noise_rates",
        [](const Labels& labels, const ScoreArrays& scores, const Counts& n_negative, double interior, double border,
           int n_threads) {
            return from_cells(labels, scores, n_negative, n_threads, noise_block,
                              [&](const LabelHistogram& h, double* to) { write_noise(h, {interior, border}, to); });
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_negative").noconvert(), py::arg("interior"), py::arg("border"),
        py::arg("n_threads"));
    m.def(
        "reliability",
        [](const Labels& labels, const ScoreArrays& scores, const Counts& n_negative, Index tail, int n_threads) {
            return from_cells(labels, scores, n_negative, n_threads, reliability_block,
                              [&](const LabelHistogram& h, double* to) { write_reliability(h, tail, to); });
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_negative").noconvert(), py::arg("tail"), py::arg("n_threads"));
}

void register_histogram_entries(py::module_& m) {
    m.def(
        "histogram_entries",
        [](const Labels& labels, const ScoreArrays& scores, const Counts& n_negative, int n_threads) {
            return entries_to_numpy(without_gil(
                [&] { return histogram_entries(cells_of(labels, scores), n_negative.data(), team(n_threads)); }));
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_negative").noconvert(), py::arg("n_threads"));
    m.def(
        "merge_entries",
        [](const Counts& keys_a, const Counts& counts_a, const Counts& keys_b, const Counts& counts_b) {
            return entries_to_numpy(merged(entries_of(keys_a, counts_a), entries_of(keys_b, counts_b)));
        },
        py::arg("keys_a").noconvert(), py::arg("counts_a").noconvert(), py::arg("keys_b").noconvert(),
        py::arg("counts_b").noconvert());
    m.def(
        "auc_from_entries",
        [](const Counts& keys, const Counts& counts, Index n_labels, int n_threads) {
            return from_entries(keys, counts, n_labels, n_threads, auc_block, write_auc);
        },
        py::arg("keys").noconvert(), py::arg("counts").noconvert(), py::arg("n_labels"), py::arg("n_threads"));
    m.def(
        "noise_rates_from_entries",
        [](const Counts& keys, const Counts& counts, Index n_labels, double interior, double border, int n_threads) {
            return from_entries(keys, counts, n_labels, n_threads, noise_block,
                                [&](const LabelHistogram& h, double* to) { write_noise(h, {interior, border}, to); });
        },
        py::arg("keys").noconvert(), py::arg("counts").noconvert(), py::arg("n_labels"), py::arg("interior"),
        py::arg("border"), py::arg("n_threads"));
    m.def(
        "reliability_from_entries",
        [](const Counts& keys, const Counts& counts, Index n_labels, Index tail, int n_threads) {
            return from_entries(keys, counts, n_labels, n_threads, reliability_block,
                                [&](const LabelHistogram& h, double* to) { write_reliability(h, tail, to); });
        },
        py::arg("keys").noconvert(), py::arg("counts").noconvert(), py::arg("n_labels"), py::arg("tail"),
        py::arg("n_threads"));
}

void register_row_order(py::module_& m) {
    m.def(
        "largest_excursions",
        [](const Labels& labels, const Counts& n_positive, const Counts& n_known, int n_threads) {
            require(n_positive.size() == labels.view.n_labels && n_known.size() == labels.view.n_labels,
                    "largest_excursions: expected one count for each label");
            Excursions found = without_gil(
                [&] { return largest_excursions(labels.view, n_positive.data(), n_known.data(), team(n_threads)); });
            return py::make_tuple(to_numpy(std::move(found.highest)), to_numpy(std::move(found.high)),
                                  to_numpy(std::move(found.lowest)), to_numpy(std::move(found.low)));
        },
        py::arg("labels"), py::arg("n_positive").noconvert(), py::arg("n_known").noconvert(), py::arg("n_threads"));
    m.def(
        "shared_excursion",
        [](const Labels& labels, const Doubles& weight, const Doubles& rate) {
            require(weight.size() == labels.view.n_labels && rate.size() == labels.view.n_labels,
                    "shared_excursion: expected one number for each label");
            return to_numpy(without_gil([&] { return shared_excursion(labels.view, weight.data(), rate.data()); }));
        },
        py::arg("labels"), py::arg("weight").noconvert(), py::arg("rate").noconvert());
}

}  // namespace

void register_quality(py::module_& m) {
    register_thresholds(m);
    register_cuts(m);
    register_joint(m);
    register_flags(m);
    register_scores(m);
    register_histograms(m);
    register_histogram_entries(m);
    register_row_order(m);
}

}  // namespace mlkit::bindings
