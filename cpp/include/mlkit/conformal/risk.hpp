#pragma once
// Risks of the sets {k : p_k >= t} as functions of t. They are step functions that jump at observed probabilities only,
// so that sorting those gives them exactly, without a grid. Losses are whole multiples of 2^-40.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "mlkit/core/cells.hpp"
#include "mlkit/core/fixed_point.hpp"
#include "mlkit/core/strips.hpp"

namespace mlkit::conformal {

enum class Risk { fnr, miscoverage, fp };

/// What losses gain when the threshold passes a probability (fnr, miscoverage: a label drops out above it) or have
/// until it passes (fp), in the order of the examples.
struct RiskJumps {
    std::vector<double> p;
    std::vector<std::int32_t> examples;
    std::vector<std::int64_t> units;
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

/// Of 2^40 cut into `whole` shares the m-th, so that any number of the first ones add up to their part to half a unit.
class Shares {
  public:
    Shares() {
        for (Index whole = 1; whole <= few; ++whole)
            for (Index m = 0; m < whole; ++m) table_[place(m, whole)] = cut(m, whole);
    }
    std::int64_t operator()(Index m, Index whole) const {
        return whole <= few ? table_[place(m, whole)] : cut(m, whole);
    }

  private:
    static constexpr Index few = 16;
    static std::size_t place(Index m, Index whole) { return static_cast<std::size_t>(whole * (whole - 1) / 2 + m); }
    static std::int64_t cut(Index m, Index whole) { return up_to(m + 1, whole) - up_to(m, whole); }
    static std::int64_t up_to(Index m, Index whole) {
        return static_cast<std::int64_t>(static_cast<double>(m) / static_cast<double>(whole) * 0x1p40 + 0.5);
    }

    std::array<std::int64_t, few*(few + 1) / 2> table_{};
};

/// Appends the jumps of one row's wrong labels; `scratch` is memory.
template <class Row>
void add_false_positives(const Cells& cells, Index i, const Row& row, const Shares& share, std::vector<double>& scratch,
                         RiskJumps& jumps) {
    const LabelRow labels = cells.labels.row(i);
    scratch.clear();
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
    for (std::size_t m = 0; m < scratch.size(); ++m) {
        jumps.p.push_back(scratch[m]);
        jumps.examples.push_back(static_cast<std::int32_t>(i));
        jumps.units.push_back(share(static_cast<Index>(m), cells.labels.n_labels));
    }
}

/// Cuts 1 into shares for the n >= 1 jumps of a row, the first for the smallest probability.
inline void share_out(double* p, std::int64_t* units, Index n, const Shares& share) {
    constexpr Index few = 16;
    if (n > few) {
        std::sort(p, p + n);
        for (Index m = 0; m < n; ++m) units[m] = share(m, n);
        return;
    }
    for (Index k = 0; k < n; ++k) {  // without a branch on which is smaller
        Index rank = 0;
        for (Index j = 0; j < k; ++j) rank += p[j] <= p[k];
        for (Index j = k + 1; j < n; ++j) rank += p[j] < p[k];
        units[k] = share(rank, n);
    }
}

/// Appends the jumps of a strip's missed labels.
template <class Strip>
void add_misses(const Cells& cells, Risk risk, const Strip& strip, const Shares& share, RiskJumps& jumps) {
    if (!cells.labels.indptr) return;
    const auto& stored = strip.stored;
    auto n = static_cast<Index>(jumps.p.size());
    const auto room = static_cast<std::size_t>(n + stored.size);
    jumps.p.resize(room);
    jumps.examples.resize(room);
    jumps.units.resize(room);
    double* p = jumps.p.data();
    Index at = 0;
    for (Index r = 0; r < strip.n_rows; ++r) {
        const Index i = strip.first + r, begin = n;
        for (const Index end = cells.labels.indptr[i + 1] - cells.labels.indptr[strip.first]; at < end; ++at)
            if (stored.value(at) == 1) p[n++] = stored.p[at] + 0.0;  // no negative zeros
        if (n == begin) continue;
        if (risk == Risk::miscoverage) {
            p[begin] = *std::min_element(p + begin, p + n);
            n = begin + 1;
        }
        std::fill(jumps.examples.begin() + begin, jumps.examples.begin() + n, static_cast<std::int32_t>(i));
        share_out(p + begin, jumps.units.data() + begin, n - begin, share);
    }
    jumps.p.resize(static_cast<std::size_t>(n));
    jumps.examples.resize(static_cast<std::size_t>(n));
    jumps.units.resize(static_cast<std::size_t>(n));
}

}  // namespace detail

/// Unknown cells count for nothing.
inline RiskJumps risk_jumps(const Cells& cells, Risk risk, const Team& whole) {
    const Team team = whole.for_work(cells.n_read());
    const Index tile_rows = cells.tile_rows();
    const detail::Shares share;
    std::vector<RiskJumps> found(static_cast<std::size_t>((cells.labels.n_rows + tile_rows - 1) / tile_rows));
    const auto at = [&](Index i) -> RiskJumps& { return found[static_cast<std::size_t>(i / tile_rows)]; };
    if (risk == Risk::fp) {
        std::vector<std::vector<double>> scratch(static_cast<std::size_t>(team.n_threads));
        for_each_row(cells, team, [&](int thread, Index i, const LabelRow&, const auto& row) {
            detail::add_false_positives(cells, i, row, share, scratch[static_cast<std::size_t>(thread)], at(i));
        });
    } else {
        for_each_strip(cells, team,
                       [&](int, const auto& strip) { detail::add_misses(cells, risk, strip, share, at(strip.first)); });
    }
    std::size_t n = 0;
    for (const RiskJumps& part : found) n += part.p.size();
    RiskJumps all;
    all.p.reserve(n);
    all.examples.reserve(n);
    all.units.reserve(n);
    for (const RiskJumps& part : found) {
        all.p.insert(all.p.end(), part.p.begin(), part.p.end());
        all.examples.insert(all.examples.end(), part.examples.begin(), part.examples.end());
        all.units.insert(all.units.end(), part.units.begin(), part.units.end());
    }
    return all;
}

/// The n jumps sorted.
inline RiskSteps risk_steps(const double* p, const std::int32_t* examples, const std::int64_t* units, Index size) {
    const auto n = static_cast<std::size_t>(size);
    std::vector<detail::Place> places(n);
    for (std::size_t k = 0; k < n; ++k)  // doubles >= 0 order as their bit patterns do
        places[k] = {fixed_point::bits(p[k]), static_cast<Index>(k)};
    detail::sort_places(places);
    RiskSteps steps;
    steps.thresholds.reserve(n + 1);
    steps.passed.reserve(n + 1);
    steps.ends.reserve(n);
    steps.examples.resize(n);
    steps.units.resize(n);
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const Index at = places[k].at;
        if (k == 0 || places[k].key != places[k - 1].key) {
            if (k) steps.ends.push_back(static_cast<Index>(k));
            steps.thresholds.push_back(p[at]);
            steps.passed.push_back(sum);
        }
        steps.examples[k] = examples[at];
        steps.units[k] = units[at];
        sum += units[at];
    }
    if (n) steps.ends.push_back(static_cast<Index>(n));
    steps.thresholds.push_back(std::numeric_limits<double>::infinity());
    steps.passed.push_back(sum);
    return steps;
}

inline RiskSteps risk_steps(const RiskJumps& jumps) {
    return risk_steps(jumps.p.data(), jumps.examples.data(), jumps.units.data(), static_cast<Index>(jumps.p.size()));
}

/// The smallest probability such that the units of the jumps up to it exceed `most`; infinite where all of them do not.
/// By the bits of the keys, twelve at a time, of which only those are looked at again that agree with the answer's.
inline double where_exceeded(const double* p, const std::int64_t* units, Index n, std::int64_t most) {
    constexpr int width = 12;
    struct Weighted {
        std::uint64_t key;
        std::int64_t units;
    };
    std::vector<std::int64_t> sums(std::size_t{1} << width);
    std::vector<Weighted> left(static_cast<std::size_t>(n));
    for (std::size_t k = 0; k < left.size(); ++k) left[k] = {fixed_point::bits(p[k]), units[k]};
    for (int shift = 63 - width;; shift = std::max(0, shift - width)) {  // none is negative: the sign is no digit
        const auto digit = [shift](std::uint64_t key) {
            return static_cast<std::size_t>(key >> shift) & ((std::size_t{1} << width) - 1);
        };
        std::fill(sums.begin(), sums.end(), 0);
        for (const Weighted& jump : left) sums[digit(jump.key)] += jump.units;
        std::size_t d = 0;
        for (; d < sums.size() && sums[d] <= most; ++d) most -= sums[d];
        if (d == sums.size()) return std::numeric_limits<double>::infinity();
        std::size_t n_kept = 0;
        for (const Weighted& jump : left) {
            left[n_kept] = jump;
            n_kept += digit(jump.key) == d;
        }
        left.resize(n_kept);
        if (shift == 0 || n_kept == 1) break;
    }
    double found;
    std::memcpy(&found, &left[0].key, sizeof found);
    return found;
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
