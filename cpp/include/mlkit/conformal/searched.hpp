#pragma once
// Regions of scores that tie labels together: every question that a walk over the label sets below a threshold can
// answer, whatever the score. A form is what was fitted; its search takes one example after the other:
//   load(p)             takes an example's probabilities
//   walk(tau, visit)    visit(set, score) for each set (one byte for each label) that scores at most tau, in one order
//                       always, until visit returns false; visit may lower tau
//   count(tau, most, pause)    how many sets score at most tau; nothing when there are more than `most`
//   force, release      fix a label's value for the walks to come
//   minimise(best)      the cheapest set and its score; highest_score() is at least that of any set
//   project(tau, out)   of each label 0 (in no set), 1 (in all), 2 (in some)
//   known_size, lower_bound, upper_bound    what is known of the number of sets without a walk

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "mlkit/conformal/count.hpp"
#include "mlkit/core/cells.hpp"

namespace mlkit::conformal {

/// Thresholds that every set passes, or none.
inline bool is_everything(double tau) { return std::isinf(tau) && tau > 0; }
inline bool is_everything(Cost tau) { return tau == no_limit; }
inline bool is_nothing(double tau) { return std::isinf(tau) && tau < 0; }
inline bool is_nothing(Cost tau) { return tau == std::numeric_limits<Cost>::min(); }

namespace searched {

/// body(search, i, pause) for every row of dense probabilities, the search loaded with it; pause() looks for Ctrl-C.
template <class Form, class Body>
void for_each_search(const Scores& scores, Index n_rows, const Form& form, const Team& team, Body&& body) {
    std::vector<typename Form::Search> searches(static_cast<std::size_t>(team.n_threads), typename Form::Search(form));
    const auto& dense = std::get<DenseScores>(scores);
    for_each_range(n_rows, 1, team, [&](Index i, Index end, int thread) {
        DenseReader reader(dense);
        reader.load(i, end);
        auto& search = searches[static_cast<std::size_t>(thread)];
        search.load(reader.row(i).p);
        body(search, i, [&] {
            if (thread == 0 && team.interrupted && team.interrupted()) throw Interrupted();
        });
    });
}

/// A walk over at most `most` sets; whether these were all.
template <class Search, class Number, class Pause, class Visit>
bool walk_up_to(Search& search, Number tau, Index most, const Pause& pause, bool ranked, Visit&& visit) {
    Index n = 0;
    bool is_complete = true;
    search.walk(
        tau,
        [&](const std::uint8_t* set, Number score) {
            if (n == most) return is_complete = false;
            if (++n % between_pauses == 0) pause();
            visit(set, score);
            return true;
        },
        ranked);
    return is_complete;
}

/// The best set of each row and its score; and the score of the best set that contradicts it in each label.
template <class Form>
void best_sets(const Scores& scores, Index n_rows, const Form& form, const Team& team, std::uint8_t* best,
               typename Form::Number* score, typename Form::Number* flipped) {
    const Index n = form.n_labels;
    for_each_search(scores, n_rows, form, team, [&](auto& search, Index i, const auto&) {
        std::uint8_t* set = best + i * n;
        score[i] = search.minimise(set);
        if (!flipped) return;
        std::vector<std::uint8_t> other(static_cast<std::size_t>(n));
        for (Index k = 0; k < n; ++k) {
            search.force(k, !set[k]);
            flipped[i * n + k] = search.minimise(other.data());
            search.release(k);
        }
    });
}

/// Of each label 0 (in no set within the row's threshold), 1 (in all), 2 (in some; also where there is no set).
template <class Form>
void project(const Scores& scores, Index n_rows, const Form& form, const typename Form::Number* thresholds,
             const Team& team, std::uint8_t* out) {
    const Index n = form.n_labels;
    for_each_search(scores, n_rows, form, team, [&](auto& search, Index i, const auto&) {
        if (is_everything(thresholds[i]) || is_nothing(thresholds[i]))
            std::fill(out + i * n, out + (i + 1) * n, std::uint8_t{2});
        else
            search.project(thresholds[i], out + i * n);
    });
}

/// Numbers of sets within each row's threshold: exactly where that is known or up to `most`, beyond that bounds.
template <class Form>
std::vector<SizeBound> count_regions(const Scores& scores, Index n_rows, const Form& form,
                                     const typename Form::Number* thresholds, Index most, const CountLimits& limits,
                                     const Team& team) {
    std::vector<SizeBound> sizes(static_cast<std::size_t>(n_rows));
    for_each_search(scores, n_rows, form, team, [&](auto& search, Index i, const auto& pause) {
        SizeBound& size = sizes[static_cast<std::size_t>(i)];
        const auto tau = thresholds[i];
        if (is_nothing(tau)) return;
        if (is_everything(tau)) {
            size.lower = size.upper = BigCount::power_of_two(form.n_labels);
            return;
        }
        if (const auto known = search.known_size(tau, limits)) {
            size = *known;
            return;
        }
        if (const auto n = search.count(tau, most, pause)) {
            size.lower = size.upper = BigCount(*n);
            return;
        }
        size.lower = std::max(BigCount(static_cast<std::uint64_t>(most) + 1), search.lower_bound(tau, limits));
        size.upper = search.upper_bound(tau, limits);
    });
    return sizes;
}

/// Sums over ascending thresholds of the sizes that each row's region would have at them; the upper ones are infinite
/// where more than `most` sets pass the largest threshold.
template <class Form>
void total_sizes(const Scores& scores, Index n_rows, const Form& form, const typename Form::Number* sorted,
                 Index n_thresholds, Index most, const Team& team, double* lower, double* upper) {
    for_each_search(scores, n_rows, form, team, [&](auto& search, Index i, const auto& pause) {
        Index total = 0;
        const bool is_complete =
            n_thresholds == 0 ||
            walk_up_to(search, sorted[n_thresholds - 1], most, pause, true, [&](const std::uint8_t*, auto score) {
                total += n_thresholds - (std::lower_bound(sorted, sorted + n_thresholds, score) - sorted);
            });
        lower[i] = static_cast<double>(total);
        upper[i] = is_complete ? lower[i] : std::numeric_limits<double>::infinity();
    });
}

/// How often each label (row-major) and each number of labels occurs among the sets of each row, if these are at most
/// `most`.
template <class Form>
void tally(const Scores& scores, Index n_rows, const Form& form, const typename Form::Number* thresholds, Index most,
           const Team& team, Index* with_label, Index* with_size, bool* is_complete) {
    const Index n = form.n_labels;
    for_each_search(scores, n_rows, form, team, [&](auto& search, Index i, const auto& pause) {
        Index *labels = with_label + i * n, *sizes = with_size + i * (n + 1);
        is_complete[i] = is_nothing(thresholds[i]) ||
                         walk_up_to(search, thresholds[i], most, pause, false, [&](const std::uint8_t* set, auto) {
                             Index size = 0;
                             for (Index k = 0; k < n; ++k) {
                                 labels[k] += set[k];
                                 size += set[k];
                             }
                             ++sizes[size];
                         });
    });
}

/// The first `most` sets of one row by score, equal ones by their values, one byte for each label: walks below rising
/// thresholds until one finds enough; a walk's own threshold falls to the worst of those in hand.
template <class Form>
void first_sets(const Scores& scores, const Form& form, typename Form::Number threshold, Index most, const Team& team,
                std::vector<std::uint8_t>& sets, std::vector<typename Form::Number>& found) {
    using Number = typename Form::Number;
    const auto n = static_cast<std::size_t>(form.n_labels);
    if (most == 0 || is_nothing(threshold)) return;
    std::vector<std::uint8_t> kept;
    std::vector<Number> score;
    std::vector<std::size_t> heap;  // the last in order on top
    const auto precedes = [&](Number a, const std::uint8_t* x, Number b, const std::uint8_t* y) {
        return a != b ? a < b : std::lexicographical_compare(x, x + n, y, y + n);
    };
    const auto before = [&](std::size_t a, std::size_t b) {
        return precedes(score[a], kept.data() + a * n, score[b], kept.data() + b * n);
    };
    for_each_search(scores, 1, form, Team{1, team.interrupted}, [&](auto& search, Index, const auto& pause) {
        std::vector<std::uint8_t> best(n);
        const Number least = search.minimise(best.data());
        if (least > threshold) return;
        const double span = static_cast<double>(std::min(threshold, search.highest_score()) - least);
        Index n_seen = 0;
        const auto visit = [&](Number& tau, const std::uint8_t* set, Number s) {
            if (++n_seen % between_pauses == 0) pause();
            std::size_t at = heap.size();
            if (static_cast<Index>(at) == most) {
                at = heap.front();
                if (!precedes(s, set, score[at], kept.data() + at * n)) return true;
                std::pop_heap(heap.begin(), heap.end(), before);
                std::copy(set, set + n, kept.begin() + static_cast<std::ptrdiff_t>(at * n));
                score[at] = s;
            } else {
                kept.insert(kept.end(), set, set + n);
                score.push_back(s);
                heap.push_back(at);
            }
            std::push_heap(heap.begin(), heap.end(), before);
            if (static_cast<Index>(heap.size()) == most) tau = score[heap.front()];
            return true;
        };
        for (double share = 0x1p-16; static_cast<Index>(heap.size()) < most; share *= 1.5) {
            const bool is_last = share >= 1.0;
            Number tau = is_last ? threshold : least + static_cast<Number>(span * share);
            heap.clear();
            kept.clear();
            score.clear();
            search.walk(tau, [&](const std::uint8_t* set, Number s) { return visit(tau, set, s); }, true);
            if (is_last) break;
        }
    });
    std::sort_heap(heap.begin(), heap.end(), before);
    for (const std::size_t at : heap) {
        sets.insert(sets.end(), kept.data() + at * n, kept.data() + (at + 1) * n);
        found.push_back(score[at]);
    }
}

/// The sets of one row at ascending positions of the walk's order, and their scores.
template <class Form>
void sets_at(const Scores& scores, const Form& form, typename Form::Number threshold,
             const std::vector<Index>& positions, const Team& team, std::vector<std::uint8_t>& sets,
             std::vector<typename Form::Number>& found) {
    using Number = typename Form::Number;
    if (positions.empty()) return;
    for_each_search(scores, 1, form, Team{1, team.interrupted}, [&](auto& search, Index, const auto& pause) {
        Index at = 0;
        std::size_t next = 0;
        walk_up_to(search, threshold, positions.back() + 1, pause, true, [&](const std::uint8_t* set, Number score) {
            for (; next < positions.size() && positions[next] == at; ++next) {
                sets.insert(sets.end(), set, set + form.n_labels);
                found.push_back(score);
            }
            ++at;
        });
    });
}

/// Position of a set in the walk's order; -1 where it is not among the first `most`.
template <class Form>
Index position_of(const Scores& scores, const Form& form, typename Form::Number threshold, const std::uint8_t* wanted,
                  Index most, const Team& team) {
    Index position = -1;
    for_each_search(scores, 1, form, Team{1, team.interrupted}, [&](auto& search, Index, const auto& pause) {
        Index n = 0;
        auto tau = threshold;
        search.walk(tau, [&](const std::uint8_t* set, auto) {
            if (std::equal(set, set + form.n_labels, wanted)) position = n;
            if (++n % between_pauses == 0) pause();
            return position < 0 && n < most;
        });
    });
    return position;
}

}  // namespace searched

}  // namespace mlkit::conformal
