#pragma once
// The pass that flags: every doubted cell beyond its group's cut, as cells in compressed rows or as a mark per row.

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "mlkit/quality/filters.hpp"

namespace mlkit::quality {

/// What to flag among the doubted cells: all of them, or up to each group's cut.
struct FlagPlan {
    std::vector<double> absent, present;  ///< (labels,) the doubt that is worth a look
    Grouping grouping;
    std::vector<GroupCut> cuts;                 ///< empty: every doubted cell
    const DoubtHistogram* histogram = nullptr;  ///< bins of the cuts

    DoubtCuts doubt() const { return {absent.data(), present.data()}; }

    static FlagPlan all(DoubtCuts doubt, Index n_labels) {
        return {{doubt.absent, doubt.absent + n_labels}, {doubt.present, doubt.present + n_labels}, {}, {}, nullptr};
    }
    /// Doubt is narrowed to what can lie within the budgets: far fewer cells to look at.
    static FlagPlan within(const DoubtHistogram& histogram, const Index* budgets, Index n_labels) {
        FlagPlan plan = all(histogram.cuts(), n_labels);
        plan.grouping = histogram.grouping();
        plan.histogram = &histogram;
        plan.cuts = cuts_from_budgets(histogram, budgets, n_labels);
        for (std::int32_t j = 0; j < n_labels; ++j) {
            const auto at = static_cast<std::size_t>(j);
            for (int given = 0; given < 2; ++given) {
                const GroupCut& cut = plan.cuts[static_cast<std::size_t>(plan.grouping.group(j, given))];
                const double edge = histogram.upper_edge(cut.take > 0 ? cut.bin : cut.bin - 1);
                if (given)
                    plan.present[at] = std::min(plan.present[at], edge);
                else
                    plan.absent[at] = std::max(plan.absent[at], 1.0 - edge);
            }
        }
        return plan;
    }
};

/// Flagged cells by row, labels ascending, with what was given and the model's probability.
struct FlaggedCells {
    std::vector<Index> indptr;
    std::vector<std::int32_t> labels;
    std::vector<std::int8_t> given;
    std::vector<double> p;
    std::vector<Index> tied;  ///< by group: cells left out although they score what the last flagged one scores
};

namespace detail {

struct FlaggedCell {
    Index row;
    double p;
    std::int32_t label;
    std::int8_t given;
};

/// Among the cells of each group's cut bin, the first `take` by (self-confidence, row). Returns how many cells of each
/// group were left out by their row alone.
template <class Emit>
std::vector<Index> select_at_cut(const std::vector<std::vector<FlaggedCell>>& kept, const FlagPlan& plan,
                                 const Team& team, Emit&& emit) {
    std::vector<Index> begin(plan.cuts.size() + 1, 0);
    auto group = [&](const FlaggedCell& c) { return static_cast<std::size_t>(plan.grouping.group(c.label, c.given)); };
    for (const auto& part : kept)
        for (const FlaggedCell& c : part) ++begin[group(c) + 1];
    for (std::size_t g = 0; g < plan.cuts.size(); ++g) begin[g + 1] += begin[g];
    std::vector<FlaggedCell> sorted(static_cast<std::size_t>(begin.back()));
    std::vector<Index> next(begin.begin(), begin.end() - 1);
    for (const auto& part : kept)
        for (const FlaggedCell& c : part) sorted[static_cast<std::size_t>(next[group(c)]++)] = c;
    const auto before = [](const FlaggedCell& a, const FlaggedCell& b) {
        const double sa = self_confidence(a.given, a.p), sb = self_confidence(b.given, b.p);
        return sa != sb ? sa < sb : a.row < b.row;
    };
    std::vector<Index> tied(plan.cuts.size(), 0);
    for_each_range(static_cast<Index>(plan.cuts.size()), 64, team, [&](Index from, Index to, int) {
        for (Index g = from; g < to; ++g) {
            const auto first = sorted.begin() + begin[static_cast<std::size_t>(g)];
            const auto last = sorted.begin() + begin[static_cast<std::size_t>(g) + 1];
            const Index take = plan.cuts[static_cast<std::size_t>(g)].take;
            if (take == 0 || take >= last - first) continue;
            const auto cut = first + (take - 1);
            std::nth_element(first, cut, last, before);
            tied[static_cast<std::size_t>(g)] = std::count_if(cut + 1, last, [&](const FlaggedCell& c) {
                return self_confidence(c.given, c.p) == self_confidence(cut->given, cut->p);
            });
        }
    });
    for (std::size_t g = 0; g < plan.cuts.size(); ++g)
        for (Index k = 0; k < std::min(plan.cuts[g].take, begin[g + 1] - begin[g]); ++k)
            emit(sorted[static_cast<std::size_t>(begin[g] + k)]);
    return tied;
}

/// The pass over the rows: flag(cell) for every cell beyond its cut (a tile's cells from one thread, in row order), and
/// at_cut(thread, cell) for those in the bins where the cuts lie.
template <class Flag, class AtCut>
void flag_doubted(const Cells& cells, const FlagPlan& plan, const Team& team, Flag&& flag, AtCut&& at_cut) {
    std::vector<DoubtWalker> walkers(static_cast<std::size_t>(team.n_threads), DoubtWalker(cells, plan.doubt()));
    for_each_strip(cells, team, [&](int thread, const auto& strip) {
        walkers[static_cast<std::size_t>(thread)](strip, [&](Index row, std::int32_t label, int given, double p) {
            const FlaggedCell cell{row, p, label, static_cast<std::int8_t>(given)};
            if (plan.cuts.empty()) return flag(cell);
            const GroupCut& cut = plan.cuts[static_cast<std::size_t>(plan.grouping.group(label, given))];
            const int b = plan.histogram->bin(self_confidence(given, p));
            if (b < cut.bin) flag(cell);
            if (b == cut.bin && cut.take > 0) at_cut(thread, cell);
        });
    });
}

/// The cells at the cuts that are flagged, and by group how many were left out by their row alone.
struct CutCells {
    std::vector<FlaggedCell> flagged;
    std::vector<Index> tied;
};

/// The pass, and what it flags at the cuts.
template <class Flag>
CutCells flag_and_cut(const Cells& cells, const FlagPlan& plan, const Team& team, Flag&& flag) {
    std::vector<std::vector<FlaggedCell>> kept(static_cast<std::size_t>(team.n_threads));
    flag_doubted(cells, plan, team, flag,
                 [&](int thread, const FlaggedCell& cell) { kept[static_cast<std::size_t>(thread)].push_back(cell); });
    CutCells cut;
    if (!plan.cuts.empty())
        cut.tied = select_at_cut(kept, plan, team, [&](const FlaggedCell& cell) { cut.flagged.push_back(cell); });
    return cut;
}

/// Puts the cells of one row in order of their labels.
inline void sort_row(FlaggedCells& cells, Index begin, Index end, std::vector<std::pair<std::int32_t, Index>>& order) {
    const auto at = [](Index k) { return static_cast<std::size_t>(k); };
    if (std::is_sorted(cells.labels.begin() + begin, cells.labels.begin() + end)) return;
    order.clear();
    for (Index k = begin; k < end; ++k) order.emplace_back(cells.labels[at(k)], k);
    std::sort(order.begin(), order.end());
    std::vector<std::pair<std::int8_t, double>> values;
    for (const auto& [label, k] : order) values.emplace_back(cells.given[at(k)], cells.p[at(k)]);
    for (Index k = begin; k < end; ++k) {
        cells.labels[at(k)] = order[at(k - begin)].first;
        std::tie(cells.given[at(k)], cells.p[at(k)]) = values[at(k - begin)];
    }
}

}  // namespace detail

/// Marks the rows with a flagged cell in `mask` (n_rows bytes).
inline void flag_rows(const Cells& cells, const FlagPlan& plan, const Team& whole_team, std::uint8_t* mask) {
    std::fill(mask, mask + cells.labels.n_rows, std::uint8_t{0});
    const auto mark = [&](const detail::FlaggedCell& c) { mask[c.row] = 1; };
    const auto cut = detail::flag_and_cut(cells, plan, whole_team.for_work(cells.n_read()), mark);
    for (const detail::FlaggedCell& c : cut.flagged) mark(c);
}

/// The flagged cells themselves. Two passes, one that counts and one that fills: no memory but the answer's.
inline FlaggedCells flag_cells(const Cells& cells, const FlagPlan& plan, const Team& whole_team) {
    const Team team = whole_team.for_work(cells.n_read());
    const auto n_rows = static_cast<std::size_t>(cells.labels.n_rows);
    FlaggedCells out;
    std::vector<Index>& bounds = out.indptr;
    bounds.assign(n_rows + 1, 0);
    const auto count = [&](const detail::FlaggedCell& c) { ++bounds[static_cast<std::size_t>(c.row) + 1]; };
    detail::CutCells cut = detail::flag_and_cut(cells, plan, team, count);
    for (const detail::FlaggedCell& c : cut.flagged) count(c);
    out.tied = std::move(cut.tied);
    for (std::size_t i = 0; i < n_rows; ++i) bounds[i + 1] += bounds[i];
    const auto n_flagged = static_cast<std::size_t>(bounds[n_rows]);
    out.labels.resize(n_flagged);
    out.given.resize(n_flagged);
    out.p.resize(n_flagged);
    const auto fill = [&](const detail::FlaggedCell& c) {  // bounds[row] moves from the row's begin to its end
        const auto at = static_cast<std::size_t>(bounds[static_cast<std::size_t>(c.row)]++);
        out.labels[at] = c.label;
        out.given[at] = c.given;
        out.p[at] = c.p;
    };
    detail::flag_doubted(cells, plan, team, fill, [](int, const detail::FlaggedCell&) {});
    for (const detail::FlaggedCell& c : cut.flagged) fill(c);
    for (std::size_t i = n_rows; i > 0; --i) bounds[i] = bounds[i - 1];
    bounds[0] = 0;
    for_each_range(cells.labels.n_rows, 4096, team, [&](Index begin, Index end, int) {
        std::vector<std::pair<std::int32_t, Index>> order;
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
            detail::sort_row(out, bounds[i], bounds[i + 1], order);
    });
    return out;
}

}  // namespace mlkit::quality
