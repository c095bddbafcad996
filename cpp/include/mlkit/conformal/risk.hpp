#pragma once
// Risks of the sets {k : p_k >= t} as functions of t. They are step functions that jump at observed probabilities only,
// so that sorting those gives them exactly, without a grid. Losses are whole multiples of 2^-40.

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/fixed_point.hpp"

namespace mlkit::conformal {

enum class Risk { fnr, miscoverage, fp };

/// What an example's loss gains when the threshold passes `p` (fnr, miscoverage: the label drops out above p) or has
/// not passed it yet (fp).
struct Jump {
    double p;
    std::int32_t example;
    std::int64_t units;
};

/// All jumps by ascending probability, equal ones in the order of examples, in groups of one probability each.
struct RiskSteps {
    std::vector<double> thresholds;      ///< of the groups; the last is infinite
    std::vector<std::int64_t> passed;    ///< units of the groups before each threshold
    std::vector<Index> ends;             ///< of each group among the jumps
    std::vector<std::int32_t> examples;  ///< of the jumps
    std::vector<std::int64_t> units;
};

namespace detail {

/// A sort key and where it came from.
struct Place {
    std::uint64_t key;
    Index at;
};

/// Sorts by ascending key, equal ones left in their order: by the upper 33 bits of the keys, eleven at a time; the few
/// keys that agree in all of those are compared.
inline void sort_places(std::vector<Place>& places) {
    const auto by_key = [](const Place& a, const Place& b) { return a.key < b.key; };
    constexpr std::size_t few = 1024;
    if (places.size() < few) {
        std::stable_sort(places.begin(), places.end(), by_key);
        return;
    }
    constexpr int width = 11, n_passes = 3, below = 64 - width * n_passes;
    constexpr std::size_t n_digits = std::size_t{1} << width;
    const auto digit = [](const Place& place, int pass) {
        return static_cast<std::size_t>(place.key >> (below + width * pass)) & (n_digits - 1);
    };
    std::vector<std::size_t> starts(n_digits * n_passes, 0);
    for (const Place& place : places)
        for (int pass = 0; pass < n_passes; ++pass) ++starts[n_digits * pass + digit(place, pass)];
    std::vector<Place> other(places.size());
    for (int pass = 0; pass < n_passes; ++pass) {
        std::size_t* start = starts.data() + n_digits * pass;
        std::size_t sum = 0;
        for (std::size_t d = 0; d < n_digits; ++d) {
            const std::size_t count = start[d];
            start[d] = sum;
            sum += count;
        }
        for (const Place& place : places) other[start[digit(place, pass)]++] = place;
        places.swap(other);
    }
    for (std::size_t begin = 0, end = 0; begin < places.size(); begin = end) {
        bool is_sorted = true;
        for (end = begin + 1; end < places.size() && (places[end].key >> below) == (places[begin].key >> below); ++end)
            is_sorted = is_sorted && places[end - 1].key <= places[end].key;
        if (!is_sorted)
            std::stable_sort(places.begin() + static_cast<std::ptrdiff_t>(begin),
                             places.begin() + static_cast<std::ptrdiff_t>(end), by_key);
    }
}

/// The jumps of one row of probabilities; `scratch` is memory.
template <class Row, class Take>
void jumps_of_row(const Cells& cells, Risk risk, const LabelRow& labels, const Row& row, std::vector<double>& scratch,
                  Take&& take) {
    constexpr double one = 0x1p40;
    scratch.clear();
    const auto take_shares = [&](double whole) {  // so that all of them add up to exactly their share of 1
        std::int64_t before = 0;
        for (std::size_t m = 0; m < scratch.size(); ++m) {
            const auto after = static_cast<std::int64_t>(static_cast<double>(m + 1) / whole * one + 0.5);
            take(scratch[m], after - before);
            before = after;
        }
    };
    if (risk == Risk::fp) {
        Index stored = 0;
        for (Index at = 0; at < row.size; ++at) {
            std::int32_t label = static_cast<std::int32_t>(at);
            if constexpr (std::is_same_v<std::decay_t<Row>, SparseRow>) label = row.labels[at];
            while (stored < labels.size && labels.labels[stored] < label) ++stored;
            const bool is_stored = stored < labels.size && labels.labels[stored] == label;
            const bool is_negative = is_stored ? labels.value(stored) == 0 : cells.background_is_negative();
            if (is_negative && row.p[at] > 0.0) scratch.push_back(row.p[at]);  // what has p = 0 is never included
        }
        std::sort(scratch.begin(), scratch.end(), std::greater<>());
        take_shares(static_cast<double>(cells.labels.n_labels));
        return;
    }
    for_each_stored_label(labels, row, [&](std::int32_t, int given, double p) {
        if (given == 1) scratch.push_back(p + 0.0);  // no negative zeros
    });
    if (scratch.empty()) return;
    if (risk == Risk::miscoverage) {
        take(*std::min_element(scratch.begin(), scratch.end()), static_cast<std::int64_t>(one));
        return;
    }
    if (scratch.size() > 1) std::sort(scratch.begin(), scratch.end());
    take_shares(static_cast<double>(scratch.size()));
}

}  // namespace detail

/// Unknown cells count for nothing.
inline RiskSteps risk_steps(const Cells& cells, Risk risk, const Team& whole) {
    const Team team = whole.for_work(cells.n_read());
    const Index tile_rows = cells.tile_rows();
    std::vector<std::vector<Jump>> found(static_cast<std::size_t>((cells.labels.n_rows + tile_rows - 1) / tile_rows));
    std::vector<std::vector<double>> scratch(static_cast<std::size_t>(team.n_threads));
    for_each_tile(cells, team, [&](int thread, Index begin, Index end, const auto& rows) {
        auto& jumps = found[static_cast<std::size_t>(begin / tile_rows)];
        for (Index i = begin; i < end; ++i)
            detail::jumps_of_row(
                cells, risk, cells.labels.row(i), rows.row(i), scratch[static_cast<std::size_t>(thread)],
                [&](double p, std::int64_t units) { jumps.push_back({p, static_cast<std::int32_t>(i), units}); });
    });
    std::size_t n = 0;
    for (const auto& jumps : found) n += jumps.size();
    std::vector<Jump> all;
    std::vector<detail::Place> places;
    all.reserve(n);
    places.reserve(n);
    for (const auto& jumps : found)
        for (const Jump& jump : jumps) {  // doubles >= 0 order as their bit patterns do
            places.push_back({fixed_point::bits(jump.p), static_cast<Index>(all.size())});
            all.push_back(jump);
        }
    detail::sort_places(places);
    RiskSteps steps;
    steps.thresholds.reserve(n + 1);
    steps.passed.reserve(n + 1);
    steps.ends.reserve(n);
    steps.examples.resize(n);
    steps.units.resize(n);
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const Jump& jump = all[static_cast<std::size_t>(places[k].at)];
        if (k == 0 || places[k].key != places[k - 1].key) {
            if (k) steps.ends.push_back(static_cast<Index>(k));
            steps.thresholds.push_back(jump.p);
            steps.passed.push_back(sum);
        }
        steps.examples[k] = jump.example;
        steps.units[k] = jump.units;
        sum += jump.units;
    }
    if (n) steps.ends.push_back(static_cast<Index>(n));
    steps.thresholds.push_back(std::numeric_limits<double>::infinity());
    steps.passed.push_back(sum);
    return steps;
}

/// Sums over the examples of the share of wrong labels in {k : p_k >= t} (0 when the set is empty), for each threshold
/// of an ascending grid. Thresholds are positive: labels without a probability are in no set.
inline std::vector<std::int64_t> false_discoveries(const Cells& cells, const std::vector<double>& grid,
                                                   const Team& whole) {
    const Team team = whole.for_work(8 * cells.n_read() + cells.labels.n_rows * static_cast<Index>(grid.size()));
    const std::size_t n_grid = grid.size();
    struct Scratch {
        std::vector<std::int32_t> wrong, all;
        std::vector<std::int64_t> sums;
    };
    std::vector<Scratch> scratch(static_cast<std::size_t>(team.n_threads));
    for (Scratch& s : scratch) {
        s.wrong.assign(n_grid + 1, 0);
        s.all.assign(n_grid + 1, 0);
        s.sums.assign(n_grid, 0);
    }
    for_each_row(cells, team, [&](int thread, Index, const LabelRow& labels, const auto& row) {
        Scratch& s = scratch[static_cast<std::size_t>(thread)];
        std::fill(s.wrong.begin(), s.wrong.end(), 0);
        std::fill(s.all.begin(), s.all.end(), 0);
        Index stored = 0;
        for (Index at = 0; at < row.size; ++at) {
            std::int32_t label = static_cast<std::int32_t>(at);
            if constexpr (std::is_same_v<std::decay_t<decltype(row)>, SparseRow>) label = row.labels[at];
            while (stored < labels.size && labels.labels[stored] < label) ++stored;
            int given = cells.background_is_negative() ? 0 : -1;
            if (stored < labels.size && labels.labels[stored] == label) given = labels.value(stored);
            if (given < 0) continue;
            const auto passed =
                static_cast<std::size_t>(std::upper_bound(grid.begin(), grid.end(), row.p[at]) - grid.begin());
            s.all[passed] += 1;
            s.wrong[passed] += given == 0;
        }
        std::int32_t all = 0, wrong = 0;
        for (std::size_t g = n_grid; g-- > 0;) {
            all += s.all[g + 1];
            wrong += s.wrong[g + 1];
            if (wrong) s.sums[g] += std::llround(static_cast<double>(wrong) / static_cast<double>(all) * 0x1p40);
        }
    });
    std::vector<std::int64_t> total(n_grid, 0);
    for (const Scratch& s : scratch)
        for (std::size_t g = 0; g < n_grid; ++g) total[g] += s.sums[g];
    return total;
}

/// Of each example: the largest probability of a label that it does not have (-inf without one) and the smallest of one
/// that it has (+inf without one). Unknown cells count for nothing.
inline void extremes(const Cells& cells, const Team& whole, double* largest_wrong, double* smallest_right) {
    const Team team = whole.for_work(cells.n_read());
    constexpr double inf = std::numeric_limits<double>::infinity();
    for_each_row(cells, team, [&](int, Index i, const LabelRow& labels, const auto& row) {
        double wrong = -inf, right = inf;
        Index stored = 0, n_seen = 0;
        for_each_stored_label(labels, row, [&](std::int32_t, int given, double p) {
            if (given)
                right = std::min(right, p);
            else
                wrong = std::max(wrong, p);
        });
        if (cells.background_is_negative()) {
            for (Index at = 0; at < row.size; ++at) {
                std::int32_t label = static_cast<std::int32_t>(at);
                if constexpr (std::is_same_v<std::decay_t<decltype(row)>, SparseRow>) label = row.labels[at];
                while (stored < labels.size && labels.labels[stored] < label) ++stored;
                const bool is_stored = stored < labels.size && labels.labels[stored] == label;
                n_seen += is_stored;
                if (!is_stored) wrong = std::max(wrong, row.p[at]);
            }
            // cells that neither array holds are negatives of probability 0
            if (row.size + labels.size - n_seen < cells.labels.n_labels) wrong = std::max(wrong, 0.0);
        }
        largest_wrong[i] = wrong;
        smallest_right[i] = right;
    });
}

/// Whether betting against "mean loss >= level" wins (Waudby-Smith & Ramdas 2024, as used for risk control by Bates et
/// al. 2021): the largest capital along the whole path exceeds 1 / delta. Losses come in the order of the examples.
inline bool betting_certifies(const std::vector<std::int64_t>& losses, double level, double log_inverse_delta) {
    const double n = static_cast<double>(losses.size());
    double sum = 0.0, squares = 0.0, variance = 0.25, capital = 0.0;
    for (std::size_t j = 0; j < losses.size(); ++j) {
        const double loss = static_cast<double>(losses[j]) * 0x1p-40;
        const double stake = std::min(1.0, std::sqrt(2.0 * log_inverse_delta / (n * variance)));
        capital += std::log1p(-stake * (loss - level));
        if (capital > log_inverse_delta) return true;
        const double seen = static_cast<double>(j + 1);
        sum += loss;
        const double mean = (0.5 + sum) / (seen + 1.0);
        squares += (loss - mean) * (loss - mean);
        variance = (0.25 + squares) / (seen + 1.0);
    }
    return false;
}

/// Number of jumps, whole groups of equal probability, that may be passed in the given order while betting certifies
/// the risk after each group; -1 when not even the start is certified. `ends` are the groups' ends.
inline Index certified_groups(const std::vector<std::int32_t>& examples, const std::vector<std::int64_t>& units,
                              const std::vector<Index>& ends, Index n_examples, double level, double log_inverse_delta,
                              const Team& team) {
    std::vector<std::int64_t> losses(static_cast<std::size_t>(n_examples), 0);
    if (!betting_certifies(losses, level, log_inverse_delta)) return -1;
    Index begin = 0, certified = 0;
    bool is_going = true;
    // one group after the other: a serial walk, in blocks only so that Ctrl-C is heard
    for_each_block(static_cast<Index>(ends.size()), Team{1, team.interrupted}, [&](Index group, int) {
        if (!is_going) return;
        const Index end = ends[static_cast<std::size_t>(group)];
        for (Index k = begin; k < end; ++k)
            losses[static_cast<std::size_t>(examples[static_cast<std::size_t>(k)])] +=
                units[static_cast<std::size_t>(k)];
        begin = end;
        is_going = betting_certifies(losses, level, log_inverse_delta);
        if (is_going) certified = end;
    });
    return certified;
}

}  // namespace mlkit::conformal
