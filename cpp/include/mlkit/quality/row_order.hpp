#pragma once
// Does the frequency of a label change along the rows?
//
// Of a label with n1 positives among m known cells, c of them among the first k, the cumulative sum is
// S = c - k n1 / m. The distance between its highest and its lowest point, times m / (n1 (m - n1)), is the two-sample
// Kuiper statistic of the places of the positives and those of the negatives, so its law under exchangeable rows is
// known. In whole numbers, H = m c - n1 k = m S: no rounding, hence the same answer however the rows are shared out.
// Between stored cells S is straight, so that its extremes lie at stored cells: O(stored), not O(cells).

#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/core/views.hpp"

namespace mlkit::quality {

/// By label: the first places where H is highest and lowest (so many rows lie before them), and H there: what starts
/// and ends at 0 is at least 0 and at most 0.
struct Excursions {
    std::vector<Index> highest, lowest;
    std::vector<Index> high, low;

    explicit Excursions(std::size_t n_labels) : highest(n_labels), lowest(n_labels), high(n_labels), low(n_labels) {}

    void look(std::size_t label, Index place, Index height) {
        if (height > high[label]) {
            high[label] = height;
            highest[label] = place;
        }
        if (height < low[label]) {
            low[label] = height;
            lowest[label] = place;
        }
    }
};

namespace detail {

/// One label's walk along the rows: positives so far, and the other stored cells, which are unknown where the
/// background is negative and known negatives where it is unknown.
struct Walk {
    Index positives = 0;
    Index others = 0;

    void step(int value) {
        if (value > 0)
            ++positives;
        else
            ++others;
    }
    Index known(Index rows, Background background) const {
        return background == Background::negative ? rows - others : positives + others;
    }
    /// S itself is this less rate * rows where the background is negative, and this where it is unknown.
    double offset(double rate, Background background) const {
        const double c = static_cast<double>(positives), o = static_cast<double>(others);
        return background == Background::negative ? c + rate * o : c - rate * (c + o);
    }
};

}  // namespace detail

/// Extremes of each label. `n_positive`, `n_known`: of each label over all rows of the view.
inline Excursions largest_excursions(const LabelView& labels, const Index* n_positive, const Index* n_known,
                                     const Team& whole_team) {
    const Team team = whole_team.for_work(2 * labels.n_stored());
    const auto n_labels = static_cast<std::size_t>(labels.n_labels);
    const Index n_blocks = std::max<Index>(1, std::min<Index>(team.n_threads, labels.n_rows));
    const auto first_row = [&](Index block) { return labels.n_rows * block / n_blocks; };

    std::vector<std::vector<detail::Walk>> at_start(static_cast<std::size_t>(n_blocks),
                                                    std::vector<detail::Walk>(n_labels));
    for_each_block(n_blocks - 1, team, [&](Index block, int) {  // what each block adds, left in the next one
        auto& walks = at_start[static_cast<std::size_t>(block) + 1];
        for (Index i = first_row(block); i < first_row(block + 1); ++i) {
            const LabelRow row = labels.row(i);
            for (Index k = 0; k < row.size; ++k) walks[static_cast<std::size_t>(row.labels[k])].step(row.value(k));
        }
    });
    for (std::size_t block = 1; block < at_start.size(); ++block)
        for (std::size_t j = 0; j < n_labels; ++j) {
            at_start[block][j].positives += at_start[block - 1][j].positives;
            at_start[block][j].others += at_start[block - 1][j].others;
        }

    std::vector<Excursions> found(static_cast<std::size_t>(n_blocks), Excursions(n_labels));
    for_each_block(n_blocks, team, [&](Index block, int) {
        auto& walks = at_start[static_cast<std::size_t>(block)];
        Excursions& extremes = found[static_cast<std::size_t>(block)];
        const auto look = [&](std::size_t j, Index place) {
            const Index known = walks[j].known(place, labels.background);
            extremes.look(j, place, n_known[j] * walks[j].positives - n_positive[j] * known);
        };
        for (Index i = first_row(block); i < first_row(block + 1); ++i) {
            const LabelRow row = labels.row(i);
            for (Index k = 0; k < row.size; ++k) {
                const auto j = static_cast<std::size_t>(row.labels[k]);
                look(j, i);
                walks[j].step(row.value(k));
                look(j, i + 1);
            }
        }
    });
    Excursions total = std::move(found.front());
    for (std::size_t block = 1; block < found.size(); ++block)
        for (std::size_t j = 0; j < n_labels; ++j) {
            total.look(j, found[block].highest[j], found[block].high[j]);
            total.look(j, found[block].lowest[j], found[block].low[j]);
        }
    return total;
}

/// sum_j weight_j S_j^2 at each place 0 ... n_rows, with S_j as above: where labels break together. `rate`: n1 / m.
/// A row costs what it stores: without stored cells all S_j sink together, which two sums over the labels describe.
inline std::vector<double> shared_excursion(const LabelView& labels, const double* weight, const double* rate) {
    const bool sinks = labels.background == Background::negative;
    double total = 0, slope = 0, curve = 0;  // sum w S^2, sum w p S, sum w p^2
    if (sinks)
        for (Index j = 0; j < labels.n_labels; ++j) curve += weight[j] * rate[j] * rate[j];
    std::vector<detail::Walk> walks(static_cast<std::size_t>(labels.n_labels));
    std::vector<double> out(static_cast<std::size_t>(labels.n_rows) + 1);
    for (Index i = 0; i < labels.n_rows; ++i) {
        if (sinks) {
            total += curve - 2 * slope;
            slope -= curve;
        }
        const LabelRow row = labels.row(i);
        for (Index k = 0; k < row.size; ++k) {
            const auto j = static_cast<std::size_t>(row.labels[k]);
            if (weight[j] == 0) continue;
            const double before = walks[j].offset(rate[j], labels.background);
            walks[j].step(row.value(k));
            const double rise = walks[j].offset(rate[j], labels.background) - before;
            const double sum = before - (sinks ? rate[j] * static_cast<double>(i + 1) : 0.0);
            total += weight[j] * rise * (2 * sum + rise);
            slope += weight[j] * rate[j] * rise;
        }
        out[static_cast<std::size_t>(i) + 1] = total;
    }
    return out;
}

}  // namespace mlkit::quality
