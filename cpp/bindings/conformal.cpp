#include "mlkit/conformal/count.hpp"
#include "mlkit/conformal/flips.hpp"
#include "mlkit/conformal/risk.hpp"
#include "mlkit/conformal/subsets.hpp"
#include "mlkit/conformal/threshold_bdd.hpp"
#include "size_bounds.hpp"

namespace mlkit::bindings {

using namespace mlkit::conformal;

namespace {

using Costs = Array<Cost>;

std::vector<Cost> to_vector(const Costs& costs) { return {costs.data(), costs.data() + costs.size()}; }

/// Flip costs with the arrays that carry them.
struct Flips {
    Costs differences, best, empty;
    std::optional<Array<Index>> indptr;
    std::optional<Array<std::int32_t>> indices;
    FlipRows view;

    Flips(Costs differences_, Costs best_, Costs empty_, std::optional<Array<Index>> indptr_,
          std::optional<Array<std::int32_t>> indices_, Index n_labels, Cost implicit, Cost one)
        : differences(std::move(differences_)),
          best(std::move(best_)),
          empty(std::move(empty_)),
          indptr(std::move(indptr_)),
          indices(std::move(indices_)) {
        const Index n_rows = best.size();
        require(empty.size() == n_rows && indptr.has_value() == indices.has_value(), "flips: arrays disagree");
        require(indptr ? indptr->size() == n_rows + 1 && indices->size() == differences.size()
                       : differences.size() == n_rows * n_labels,
                "flips: differences do not match the shape");
        view = {n_rows,
                n_labels,
                indptr ? indptr->data() : nullptr,
                indices ? indices->data() : nullptr,
                differences.data(),
                best.data(),
                empty.data(),
                implicit,
                one};
    }
};

py::tuple flip_costs_of(const ScoreArrays& scores, const ScoreRule& rule, int n_threads) {
    Costs differences(scores.indptr ? scores.data.size() : scores.n_rows * scores.n_labels);
    Costs best(scores.n_rows), empty(scores.n_rows);
    Cost *d = differences.mutable_data(), *b = best.mutable_data(), *e = empty.mutable_data();
    without_gil([&] { flip_costs(scores.view, scores.n_rows, scores.n_labels, rule, team(n_threads), d, b, e); });
    const CellCosts absent = CostRule(rule)(0.0);
    return py::make_tuple(differences, best, empty, absent.one - absent.zero);
}

py::tuple count_rows(const Flips& flips, const Costs& thresholds, bool exact, Index node_cap, Index n_buckets,
                     int n_threads) {
    require(thresholds.size() == flips.view.n_rows, "thresholds: expected one for each row");
    CountLimits limits = CountLimits::exact(node_cap, n_buckets);
    if (!exact) {
        limits = {};
        limits.node_cap = node_cap;
        limits.n_buckets = n_buckets;
    }
    return bounds_to_numpy(
        without_gil([&] { return count_regions(flips.view, thresholds.data(), limits, team(n_threads)); }));
}

/// Up to `most` further subsets of an enumerator: their costs, and their members as compressed rows.
template <class Walk>
py::tuple take(Walk& walk, Index most) {
    std::vector<Cost> spent;
    std::vector<Index> bounds{0};
    std::vector<std::int32_t> members;
    without_gil([&] {
        while (static_cast<Index>(spent.size()) < most && walk.next()) {
            spent.push_back(walk.spent());
            const auto& chosen = walk.chosen();
            members.insert(members.end(), chosen.begin(), chosen.end());
            bounds.push_back(static_cast<Index>(members.size()));
        }
    });
    return py::make_tuple(to_numpy(std::move(spent)), to_numpy(std::move(bounds)), to_numpy(std::move(members)));
}

template <class Walk>
void register_walk(py::module_& m, const char* name) {
    py::class_<Walk>(m, name)
        .def(py::init([](const Costs& costs, Cost budget, bool maximum) {
                 return Walk(to_vector(costs), budget, maximum ? Combine::maximum : Combine::sum);
             }),
             py::arg("costs").noconvert(), py::arg("budget"), py::arg("maximum"))
        .def("take", &take<Walk>, py::arg("most"));
}

void register_rows(py::module_& m) {
    py::enum_<Score>(m, "Score")
        .value("lp", Score::lp)
        .value("log", Score::log)
        .value("log_centered", Score::log_centered)
        .value("hamming", Score::hamming)
        .value("linf", Score::linf);
    py::class_<ScoreRule>(m, "ScoreRule")
        .def(py::init(
                 [](Score kind, double power, double cut, int shift) { return ScoreRule{kind, power, cut, shift}; }),
             py::arg("kind"), py::arg("power"), py::arg("cut"), py::arg("shift"));
    py::class_<Flips>(m, "Flips")
        .def(py::init<Costs, Costs, Costs, std::optional<Array<Index>>, std::optional<Array<std::int32_t>>, Index, Cost,
                      Cost>(),
             py::arg("differences").noconvert(), py::arg("best").noconvert(), py::arg("empty").noconvert(),
             py::arg("indptr").noconvert(), py::arg("indices").noconvert(), py::arg("n_labels"), py::arg("implicit"),
             py::arg("one"));
    m.def("flip_costs", &flip_costs_of, py::arg("scores"), py::arg("rule"), py::arg("n_threads"));
    m.def(
        "score_cells",
        [](const Labels& labels, const ScoreArrays& scores, const ScoreRule& rule, int n_threads) {
            const Cells cells = cells_of(labels, scores);
            Costs out(scores.n_rows);
            Cost* to = out.mutable_data();
            without_gil([&] { score_sets(cells, rule, team(n_threads), to); });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("rule"), py::arg("n_threads"));
    m.def(
        "score_sets",
        [](const Flips& flips, const Labels& labels, int n_threads) {
            require(labels.view.n_rows == flips.view.n_rows && labels.view.n_labels == flips.view.n_labels,
                    "labels and flips differ in shape");
            Costs out(flips.view.n_rows);
            Cost* to = out.mutable_data();
            without_gil([&] { score_sets(flips.view, labels.view, team(n_threads), to); });
            return out;
        },
        py::arg("flips"), py::arg("labels"), py::arg("n_threads"));
    m.def(
        "project",
        [](const Flips& flips, const Costs& thresholds, int n_threads) {
            require(thresholds.size() == flips.view.n_rows, "thresholds: expected one for each row");
            Array<std::uint8_t> out(flips.differences.size());
            std::uint8_t* to = out.mutable_data();
            without_gil([&] { project(flips.view, thresholds.data(), team(n_threads), to); });
            return out;
        },
        py::arg("flips"), py::arg("thresholds").noconvert(), py::arg("n_threads"));
    m.def(
        "flip_p_values",
        [](const Flips& flips, const Costs& calibration, int n_threads) {
            Array<double> out(flips.differences.size());
            double* to = out.mutable_data();
            without_gil(
                [&] { flip_p_values(flips.view, calibration.data(), calibration.size(), team(n_threads), to); });
            return out;
        },
        py::arg("flips"), py::arg("calibration").noconvert(), py::arg("n_threads"));
    m.def(
        "cardinality_bounds",
        [](const Flips& flips, const Costs& thresholds, int n_threads) {
            require(thresholds.size() == flips.view.n_rows, "thresholds: expected one for each row");
            Array<Index> low(flips.view.n_rows), high(flips.view.n_rows);
            Index *l = low.mutable_data(), *h = high.mutable_data();
            without_gil([&] { cardinality_bounds(flips.view, thresholds.data(), team(n_threads), l, h); });
            return py::make_tuple(low, high);
        },
        py::arg("flips"), py::arg("thresholds").noconvert(), py::arg("n_threads"));
    m.def("count_rows", &count_rows, py::arg("flips"), py::arg("thresholds").noconvert(), py::arg("exact"),
          py::arg("node_cap"), py::arg("n_buckets"), py::arg("n_threads"));
    m.def(
        "total_sizes",
        [](const Flips& flips, const Costs& calibration, Index n_buckets, int n_threads) {
            CountLimits limits;
            limits.n_buckets = n_buckets;
            Array<double> lower(flips.view.n_rows), upper(flips.view.n_rows);
            double *l = lower.mutable_data(), *u = upper.mutable_data();
            without_gil([&] {
                total_sizes(flips.view, calibration.data(), calibration.size(), limits, team(n_threads), l, u);
            });
            return py::make_tuple(lower, upper);
        },
        py::arg("flips"), py::arg("calibration").noconvert(), py::arg("n_buckets"), py::arg("n_threads"));
}

void register_subsets(py::module_& m) {
    register_walk<DepthFirst>(m, "DepthFirst");
    register_walk<ByCost>(m, "ByCost");
    m.def(
        "write_bits",
        [](const Costs& costs, const Array<std::uint64_t>& bits, Cost budget, std::uint64_t best, Index most) {
            require(costs.size() == bits.size(), "bits: expected one for each cost");
            Array<std::uint64_t> out(most);
            std::uint64_t* to = out.mutable_data();
            const std::vector<std::uint64_t> patterns(bits.data(), bits.data() + bits.size());
            const Index n = without_gil([&] { return write_bits(to_vector(costs), patterns, budget, best, most, to); });
            return py::make_tuple(out, n);
        },
        py::arg("costs").noconvert(), py::arg("bits").noconvert(), py::arg("budget"), py::arg("best"), py::arg("most"));
    m.def(
        "count_one_by_one",
        [](const Costs& costs, Cost budget) {
            return without_gil(
                [&] { return count_one_by_one(to_vector(costs), budget, std::numeric_limits<std::uint64_t>::max()); });
        },
        py::arg("costs").noconvert(), py::arg("budget"));
    m.def(
        "count_in_halves",
        [](const Costs& costs, Cost budget, Index list_cap) -> std::optional<std::uint64_t> {
            return without_gil([&]() -> std::optional<std::uint64_t> {
                const auto halves = MeetInTheMiddle::build(to_vector(costs), budget, list_cap);
                if (!halves) return std::nullopt;
                return halves->count(budget);
            });
        },
        py::arg("costs").noconvert(), py::arg("budget"), py::arg("list_cap"));
    m.def(
        "count_in_branches",
        [](const Costs& costs, Cost budget, int n_threads) {
            require(costs.size() <= static_cast<Index>(BranchesAndHalves::most_elements), "costs: too many");
            return without_gil([&] { return BranchesAndHalves::count(to_vector(costs), budget, team(n_threads)); });
        },
        py::arg("costs").noconvert(), py::arg("budget"), py::arg("n_threads"));
    m.def(
        "count_bracket",
        [](const Costs& costs, Cost budget, Index n_buckets) {
            const SizeBound bound =
                without_gil([&] { return CountBracket(to_vector(costs), budget, n_buckets).at(budget); });
            return py::make_tuple(to_bytes(bound.lower), to_bytes(bound.upper));
        },
        py::arg("costs").noconvert(), py::arg("budget"), py::arg("n_buckets"));
    m.def(
        "threshold_bdd",
        [](const Costs& costs, Cost budget, Index node_cap) -> py::object {
            auto bdd = without_gil([&] { return ThresholdBdd::build(to_vector(costs), budget, node_cap); });
            if (!bdd) return py::none();
            return py::make_tuple(bdd->root(), to_numpy(std::vector<std::int32_t>(bdd->level())),
                                  to_numpy(std::vector<std::int32_t>(bdd->without())),
                                  to_numpy(std::vector<std::int32_t>(bdd->with())),
                                  to_numpy(std::vector<std::uint64_t>(bdd->words()),
                                           {bdd->n_nodes(), static_cast<py::ssize_t>(bdd->n_words())}));
        },
        py::arg("costs").noconvert(), py::arg("budget"), py::arg("node_cap"));
}

void register_risk(py::module_& m) {
    py::enum_<Risk>(m, "Risk").value("fnr", Risk::fnr).value("miscoverage", Risk::miscoverage).value("fp", Risk::fp);
    m.def(
        "risk_jumps",
        [](const Labels& labels, const ScoreArrays& scores, Risk risk, int n_threads) {
            const Cells cells = cells_of(labels, scores);
            RiskJumps jumps = without_gil([&] { return risk_jumps(cells, risk, team(n_threads)); });
            return py::make_tuple(to_numpy(std::move(jumps.p)), to_numpy(std::move(jumps.examples)),
                                  to_numpy(std::move(jumps.units)));
        },
        py::arg("labels"), py::arg("scores"), py::arg("risk"), py::arg("n_threads"));
    m.def(
        "risk_steps",
        [](const Array<double>& p, const Array<std::int32_t>& examples, const Array<std::int64_t>& units) {
            require(examples.size() == p.size() && units.size() == p.size(), "jumps: arrays disagree");
            RiskSteps steps =
                without_gil([&] { return risk_steps(p.data(), examples.data(), units.data(), p.size()); });
            return py::make_tuple(to_numpy(std::move(steps.thresholds)), to_numpy(std::move(steps.passed)),
                                  to_numpy(std::move(steps.ends)), to_numpy(std::move(steps.examples)),
                                  to_numpy(std::move(steps.units)));
        },
        py::arg("p").noconvert(), py::arg("examples").noconvert(), py::arg("units").noconvert());
    m.def(
        "where_exceeded",
        [](const Array<double>& p, const Array<std::int64_t>& units, std::int64_t most) {
            require(units.size() == p.size(), "jumps: arrays disagree");
            return without_gil([&] { return where_exceeded(p.data(), units.data(), p.size(), most); });
        },
        py::arg("p").noconvert(), py::arg("units").noconvert(), py::arg("most"));
    m.def(
        "false_discoveries",
        [](const Labels& labels, const ScoreArrays& scores, const Array<double>& grid, int n_threads) {
            const Cells cells = cells_of(labels, scores);
            const std::vector<double> thresholds(grid.data(), grid.data() + grid.size());
            return to_numpy(without_gil([&] { return false_discoveries(cells, thresholds, team(n_threads)); }));
        },
        py::arg("labels"), py::arg("scores"), py::arg("grid").noconvert(), py::arg("n_threads"));
    m.def(
        "extremes",
        [](const Labels& labels, const ScoreArrays& scores, int n_threads) {
            const Cells cells = cells_of(labels, scores);
            Array<double> wrong(scores.n_rows), right(scores.n_rows);
            double *w = wrong.mutable_data(), *r = right.mutable_data();
            without_gil([&] { extremes(cells, team(n_threads), w, r); });
            return py::make_tuple(wrong, right);
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_threads"));
    m.def(
        "certified_groups",
        [](const Array<std::int32_t>& examples, const Array<std::int64_t>& units, const Array<Index>& ends,
           Index n_examples, double level, double log_inverse_delta, int n_threads) {
            require(examples.size() == units.size(), "jumps: arrays disagree");
            const std::vector<std::int32_t> e(examples.data(), examples.data() + examples.size());
            const std::vector<std::int64_t> u(units.data(), units.data() + units.size());
            const std::vector<Index> bounds(ends.data(), ends.data() + ends.size());
            return without_gil(
                [&] { return certified_groups(e, u, bounds, n_examples, level, log_inverse_delta, team(n_threads)); });
        },
        py::arg("examples").noconvert(), py::arg("units").noconvert(), py::arg("ends").noconvert(),
        py::arg("n_examples"), py::arg("level"), py::arg("log_inverse_delta"), py::arg("n_threads"));
}

}  // namespace

void register_conformal_searched(py::module_& m);

void register_conformal(py::module_& m) {
    register_rows(m);
    register_subsets(m);
    register_conformal_searched(m);
    register_risk(m);
}

}  // namespace mlkit::bindings
