#include "mlkit/conformal/quadratic.hpp"
#include "mlkit/conformal/searched.hpp"
#include "mlkit/conformal/unseen_pairs.hpp"
#include "size_bounds.hpp"

namespace mlkit::bindings {

using namespace mlkit::conformal;

namespace {

/// A quadratic form with the arrays that carry it.
struct QuadraticArrays {
    using View = QuadraticForm;
    Array<double> precision, upper;
    View view;

    QuadraticArrays(Array<double> precision_, Array<double> upper_, double split, double majorant)
        : precision(std::move(precision_)), upper(std::move(upper_)) {
        require(precision.ndim() == 2 && precision.shape(0) == precision.shape(1) && upper.size() == precision.size(),
                "form: expected two square matrices");
        view = {precision.shape(0), precision.data(), upper.data(), split, majorant};
    }
    bool can_search() const { return true; }
};

/// Pairs of labels that were seen, and those that were not.
struct PairArrays {
    using View = PairForm;
    Array<Index> indptr;
    Array<std::int32_t> indices;
    std::optional<Array<std::uint64_t>> unseen;
    View view;

    PairArrays(Array<Index> indptr_, Array<std::int32_t> indices_, std::optional<Array<std::uint64_t>> unseen_,
               const ScoreRule& rule, Cost weight)
        : indptr(std::move(indptr_)), indices(std::move(indices_)), unseen(std::move(unseen_)) {
        require(indptr.size() >= 2 && indices.size() >= indptr.data()[indptr.size() - 1], "pairs: arrays disagree");
        view = {indptr.size() - 1, weight, rule, indptr.data(), indices.data(), unseen ? unseen->data() : nullptr};
        require(!unseen || unseen->size() == view.n_labels * view.n_words(), "pairs: expected one bit for each pair");
    }
    bool can_search() const { return unseen.has_value(); }
};

template <class Arrays>
void check_form(const ScoreArrays& scores, const Arrays& form) {
    require(form.can_search() && !scores.indptr && scores.n_labels == form.view.n_labels,
            "scores: expected dense ones of the form's labels, and a form that can be searched");
}

template <class Arrays>
void register_row_searches(py::class_<Arrays>& form_class) {
    using Number = typename Arrays::View::Number;
    form_class.def(
        "score_sets",
        [](const Arrays& form, const Labels& labels, const ScoreArrays& scores, int n_threads) {
            const Cells cells = cells_of(labels, scores);
            require(scores.n_labels == form.view.n_labels, "scores: expected the form's labels");
            Array<Number> out(scores.n_rows);
            Number* to = out.mutable_data();
            without_gil([&] { score_sets(cells, form.view, team(n_threads), to); });
            return out;
        },
        py::arg("labels"), py::arg("scores"), py::arg("n_threads"));
    form_class.def(
        "best_sets",
        [](const Arrays& form, const ScoreArrays& scores, bool with_flips, int n_threads) {
            check_form(scores, form);
            Array<std::uint8_t> best({scores.n_rows, scores.n_labels});
            Array<Number> score(scores.n_rows), flipped({with_flips ? scores.n_rows : 0, scores.n_labels});
            std::uint8_t* b = best.mutable_data();
            Number *s = score.mutable_data(), *f = with_flips ? flipped.mutable_data() : nullptr;
            without_gil([&] { searched::best_sets(scores.view, scores.n_rows, form.view, team(n_threads), b, s, f); });
            return py::make_tuple(best, score, flipped);
        },
        py::arg("scores"), py::arg("with_flips"), py::arg("n_threads"));
    form_class.def(
        "project",
        [](const Arrays& form, const ScoreArrays& scores, const Array<Number>& thresholds, int n_threads) {
            check_form(scores, form);
            require(thresholds.size() == scores.n_rows, "thresholds: expected one for each row");
            Array<std::uint8_t> out(scores.n_rows * scores.n_labels);
            std::uint8_t* to = out.mutable_data();
            without_gil([&] {
                searched::project(scores.view, scores.n_rows, form.view, thresholds.data(), team(n_threads), to);
            });
            return out;
        },
        py::arg("scores"), py::arg("thresholds").noconvert(), py::arg("n_threads"));
    form_class.def(
        "sizes",
        [](const Arrays& form, const ScoreArrays& scores, const Array<Number>& thresholds, bool exact, Index most,
           Index node_cap, int n_threads) {
            check_form(scores, form);
            require(thresholds.size() == scores.n_rows, "thresholds: expected one for each row");
            CountLimits limits = CountLimits::exact(node_cap, 1 << 14);
            if (!exact) {
                limits = {};
                limits.node_cap = node_cap;
            }
            return bounds_to_numpy(without_gil([&] {
                return searched::count_regions(scores.view, scores.n_rows, form.view, thresholds.data(), most, limits,
                                               team(n_threads));
            }));
        },
        py::arg("scores"), py::arg("thresholds").noconvert(), py::arg("exact"), py::arg("most"), py::arg("node_cap"),
        py::arg("n_threads"));
    form_class.def(
        "total_sizes",
        [](const Arrays& form, const ScoreArrays& scores, const Array<Number>& calibration, Index most, int n_threads) {
            check_form(scores, form);
            Array<double> lower(scores.n_rows), upper(scores.n_rows);
            double *l = lower.mutable_data(), *u = upper.mutable_data();
            without_gil([&] {
                searched::total_sizes(scores.view, scores.n_rows, form.view, calibration.data(), calibration.size(),
                                      most, team(n_threads), l, u);
            });
            return py::make_tuple(lower, upper);
        },
        py::arg("scores"), py::arg("calibration").noconvert(), py::arg("most"), py::arg("n_threads"));
    form_class.def(
        "tally",
        [](const Arrays& form, const ScoreArrays& scores, const Array<Number>& thresholds, Index most, int n_threads) {
            check_form(scores, form);
            require(thresholds.size() == scores.n_rows, "thresholds: expected one for each row");
            Array<Index> with_label({scores.n_rows, scores.n_labels}), with_size({scores.n_rows, scores.n_labels + 1});
            Array<bool> is_complete(scores.n_rows);
            Index *labels = with_label.mutable_data(), *sizes = with_size.mutable_data();
            bool* complete = is_complete.mutable_data();
            std::fill(labels, labels + with_label.size(), 0);
            std::fill(sizes, sizes + with_size.size(), 0);
            without_gil([&] {
                searched::tally(scores.view, scores.n_rows, form.view, thresholds.data(), most, team(n_threads), labels,
                                sizes, complete);
            });
            return py::make_tuple(with_label, with_size, is_complete);
        },
        py::arg("scores"), py::arg("thresholds").noconvert(), py::arg("most"), py::arg("n_threads"));
}

template <class Arrays>
void register_set_searches(py::class_<Arrays>& form_class) {
    using Number = typename Arrays::View::Number;
    const auto answer = [](std::vector<std::uint8_t>&& sets, std::vector<Number>&& found, Index n_labels) {
        const auto n = static_cast<py::ssize_t>(found.size());
        return py::make_tuple(to_numpy(std::move(sets), {n, static_cast<py::ssize_t>(n_labels)}),
                              to_numpy(std::move(found)));
    };
    form_class.def(
        "first_sets",
        [answer](const Arrays& form, const ScoreArrays& scores, Number threshold, Index most) {
            check_form(scores, form);
            require(scores.n_rows == 1, "scores: expected one row");
            std::vector<std::uint8_t> sets;
            std::vector<Number> found;
            without_gil([&] { searched::first_sets(scores.view, form.view, threshold, most, team(1), sets, found); });
            return answer(std::move(sets), std::move(found), scores.n_labels);
        },
        py::arg("scores"), py::arg("threshold"), py::arg("most"));
    form_class.def(
        "sets_at",
        [answer](const Arrays& form, const ScoreArrays& scores, Number threshold, const Array<Index>& positions) {
            check_form(scores, form);
            require(scores.n_rows == 1, "scores: expected one row");
            const std::vector<Index> wanted(positions.data(), positions.data() + positions.size());
            std::vector<std::uint8_t> sets;
            std::vector<Number> found;
            without_gil([&] { searched::sets_at(scores.view, form.view, threshold, wanted, team(1), sets, found); });
            return answer(std::move(sets), std::move(found), scores.n_labels);
        },
        py::arg("scores"), py::arg("threshold"), py::arg("positions").noconvert());
    form_class.def(
        "position_of",
        [](const Arrays& form, const ScoreArrays& scores, Number threshold, const Array<std::uint8_t>& wanted,
           Index most) {
            check_form(scores, form);
            require(scores.n_rows == 1 && wanted.size() == scores.n_labels, "wanted: expected one row of labels");
            return without_gil(
                [&] { return searched::position_of(scores.view, form.view, threshold, wanted.data(), most, team(1)); });
        },
        py::arg("scores"), py::arg("threshold"), py::arg("wanted").noconvert(), py::arg("most"));
}

}  // namespace

void register_conformal_searched(py::module_& m) {
    py::class_<QuadraticArrays> quadratic(m, "QuadraticForm");
    quadratic.def(py::init<Array<double>, Array<double>, double, double>(), py::arg("precision").noconvert(),
                  py::arg("upper").noconvert(), py::arg("split"), py::arg("majorant"));
    register_row_searches(quadratic);
    register_set_searches(quadratic);
    py::class_<PairArrays> pairs(m, "PairForm");
    pairs.def(
        py::init<Array<Index>, Array<std::int32_t>, std::optional<Array<std::uint64_t>>, const ScoreRule&, Cost>(),
        py::arg("indptr").noconvert(), py::arg("indices").noconvert(), py::arg("unseen").noconvert(), py::arg("rule"),
        py::arg("weight"));
    register_row_searches(pairs);
    register_set_searches(pairs);
}

}  // namespace mlkit::bindings
