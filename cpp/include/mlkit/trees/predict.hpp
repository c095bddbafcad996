#pragma once
// The best labels of an ensemble of trees: by beam search, exactly, or all of them.
//
// A label's score is the mean over the trees of the product of the scores on its path. Scores on a path never rise, so
// whatever lies below a node scores at most what the node does: an exact search visits just the nodes that reach the
// score which has to be beaten. With several trees a label whose mean reaches it reaches it in one tree at least, where
// it is found; the other trees are then asked for their scores of the labels found.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "mlkit/core/parallel.hpp"
#include "mlkit/trees/tree_walk.hpp"

namespace mlkit::trees {

using Forest = std::vector<TrainedTree>;

/// A label with its score and its mean raw margin over the trees that saw it.
struct ScoredLabel {
    std::int32_t label;
    float score;
    double margin;
};

/// Better labels first: the score, then the margin, then the lower number.
inline bool is_better(const ScoredLabel& a, const ScoredLabel& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.margin != b.margin ? a.margin > b.margin : a.label < b.label;
}

struct Request {
    Loss loss = Loss::squared_hinge;
    Index k = 5;              ///< at most so many labels for each example
    Index beam = 10;          ///< -1: all nodes
    bool is_exact = false;    ///< no better label is missed, whatever the beam
    double threshold = -1.0;  ///< exact, and only labels that score at least this; below 0: no threshold
};

namespace detail {

/// Paths below this cannot lead to a label that reaches `score`. Means are rounded to single precision, and all that
/// round to nothing become the least positive number, where margins decide.
inline double bound_below(double score) {
    return score <= static_cast<double>(std::numeric_limits<float>::min()) ? 0.0 : score * (1.0 - 1e-6);
}

class ForestSearcher {
  public:
    ForestSearcher(const Forest& forest, const SparseRows& x, const Request& request)
        : forest_(forest),
          request_(request),
          walker_(x, request.loss),
          sums_(static_cast<std::size_t>(forest.front().tree.n_labels)) {}

    /// Calls done(row of the block, its labels, best first).
    template <class Done>
    void search(Index begin, Index end, Done&& done) {
        const auto n_rows = static_cast<std::size_t>(end - begin);
        found_.resize(std::max(found_.size(), n_rows));
        for (auto& of_row : found_) of_row.clear();
        least_.assign(n_rows, bound_below(request_.threshold));
        if (request_.threshold < 0.0) {
            const KeepBest best(request_.beam);
            for (std::size_t t = 0; t < forest_.size(); ++t)
                walk(t, begin, end, [&](std::vector<Visit>& visits) {
                    if (request_.beam >= 0) best(visits);
                });
            for (std::size_t r = 0; r < n_rows; ++r) {
                merge(r);
                select(request_.k);
                if (request_.is_exact && request_.beam >= 0)
                    least_[r] = static_cast<Index>(merged_.size()) < request_.k
                                    ? 0.0
                                    : bound_below(static_cast<double>(merged_.back().score));
                else
                    done(static_cast<Index>(r), merged_);
                found_[r].clear();
            }
            if (!request_.is_exact || request_.beam < 0) return;
        }
        search_above(begin, end);
        for (std::size_t r = 0; r < n_rows; ++r) {
            merge(r);
            if (request_.threshold >= 0.0)
                merged_.erase(std::remove_if(merged_.begin(), merged_.end(),
                                             [&](const ScoredLabel& s) {
                                                 return s.score < static_cast<float>(request_.threshold);
                                             }),
                              merged_.end());
            select(request_.k);
            done(static_cast<Index>(r), merged_);
        }
    }

  private:
    struct Found {
        std::int32_t label;
        double score, margin;
    };

    template <class Keep>
    void walk(std::size_t t, Index begin, Index end, Keep&& keep) {
        const TreeView& tree = forest_[t].tree;
        walker_.walk(forest_[t], begin, end, keep, [&](std::int32_t row, Index position, double path, double margin) {
            found_[static_cast<std::size_t>(row)].push_back(
                {tree.label_order[position], std::exp(path + log_score(request_.loss, margin)), margin});
        });
    }

    /// Finds all labels whose mean score can reach `least_` of their row, with their scores in all trees.
    void search_above(Index begin, Index end) {
        const auto n_rows = static_cast<std::size_t>(end - begin);
        for (std::size_t t = 0; t < forest_.size(); ++t)
            walk(t, begin, end, [&](std::vector<Visit>& visits) {
                visits.erase(std::remove_if(visits.begin(), visits.end(),
                                            [&](const Visit& v) {
                                                return std::exp(v.path) < least_[static_cast<std::size_t>(v.row)];
                                            }),
                             visits.end());
            });
        if (forest_.size() == 1) return;
        wanted_.resize(std::max(wanted_.size(), n_rows));
        for (std::size_t r = 0; r < n_rows; ++r) {
            auto& labels = wanted_[r];
            labels.clear();
            for (const Found& f : found_[r])
                if (f.score >= least_[r]) labels.push_back(f.label);
            std::sort(labels.begin(), labels.end());
            labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
            found_[r].clear();
        }
        std::vector<std::vector<std::int32_t>> positions(n_rows);
        for (std::size_t t = 0; t < forest_.size(); ++t) {
            const TrainedTree& trained = forest_[t];
            for (std::size_t r = 0; r < n_rows; ++r) {
                positions[r].clear();
                for (const std::int32_t label : wanted_[r])
                    positions[r].push_back(trained.position[static_cast<std::size_t>(label)]);
                std::sort(positions[r].begin(), positions[r].end());
            }
            walk(t, begin, end, [&](std::vector<Visit>& visits) {
                visits.erase(std::remove_if(visits.begin(), visits.end(),
                                            [&](const Visit& v) {
                                                const auto& of_row = positions[static_cast<std::size_t>(v.row)];
                                                const auto at = std::lower_bound(of_row.begin(), of_row.end(),
                                                                                 trained.tree.label_begin[v.node]);
                                                return at == of_row.end() || *at >= trained.tree.label_end[v.node];
                                            }),
                             visits.end());
            });
        }
        for (std::size_t r = 0; r < n_rows; ++r) {
            const auto& labels = wanted_[r];
            found_[r].erase(std::remove_if(found_[r].begin(), found_[r].end(),
                                           [&](const Found& f) {
                                               return !std::binary_search(labels.begin(), labels.end(), f.label);
                                           }),
                            found_[r].end());
        }
    }

    /// The labels found for a row with their means over the trees: into merged_.
    void merge(std::size_t r) {
        merged_.clear();
        for (const Found& f : found_[r]) {
            Sum& sum = sums_[static_cast<std::size_t>(f.label)];
            if (sum.n++ == 0) merged_.push_back({f.label, 0.0F, 0.0});
            sum.score += f.score;
            sum.margin += f.margin;
        }
        for (ScoredLabel& s : merged_) {
            Sum& sum = sums_[static_cast<std::size_t>(s.label)];
            s.score = std::max(static_cast<float>(sum.score / static_cast<double>(forest_.size())),
                               std::numeric_limits<float>::min());
            s.margin = sum.margin / sum.n;
            sum = Sum();
        }
    }
    void select(Index k) {
        if (static_cast<Index>(merged_.size()) > k) {
            std::nth_element(merged_.begin(), merged_.begin() + k, merged_.end(), is_better);
            merged_.resize(static_cast<std::size_t>(k));
        }
        std::sort(merged_.begin(), merged_.end(), is_better);
    }

    struct Sum {
        double score = 0.0, margin = 0.0;
        int n = 0;
    };

    const Forest& forest_;
    const Request request_;
    TreeWalker walker_;
    std::vector<Sum> sums_;
    std::vector<std::vector<Found>> found_;
    std::vector<std::vector<std::int32_t>> wanted_;
    std::vector<double> least_;
    std::vector<ScoredLabel> merged_;
};

/// Examples that are served together: fewer where each may bring all labels.
inline Index rows_of_block(const Forest& forest, const Request& request) {
    if (!request.is_exact && request.threshold < 0.0 && request.beam >= 0) return 256;
    const Index n_labels = forest.front().tree.n_labels * static_cast<Index>(forest.size());
    return std::clamp<Index>((Index{1} << 20) / std::max<Index>(1, n_labels), 1, 256);
}

}  // namespace detail

/// The labels of each row, best first, one row after the other.
struct LabelRows {
    std::vector<Index> indptr;
    std::vector<std::int32_t> labels;
    std::vector<float> scores;
};

inline LabelRows best_labels(const Forest& forest, const SparseRows& x, const Request& request,
                             const Team& whole_team) {
    const Team team = whole_team.for_work(x.n_stored() * static_cast<Index>(forest.size()) * 64);
    const Index block = detail::rows_of_block(forest, request);
    std::vector<LabelRows> parts(static_cast<std::size_t>((x.n_rows + block - 1) / block));
    std::vector<detail::ForestSearcher> searchers(static_cast<std::size_t>(team.n_threads),
                                                  detail::ForestSearcher(forest, x, request));
    for_each_range(x.n_rows, block, team, [&](Index begin, Index end, int thread) {
        LabelRows& part = parts[static_cast<std::size_t>(begin / block)];
        searchers[static_cast<std::size_t>(thread)].search(
            begin, end, [&](Index, const std::vector<ScoredLabel>& labels) {
                for (const ScoredLabel& s : labels) {
                    part.labels.push_back(s.label);
                    part.scores.push_back(s.score);
                }
                part.indptr.push_back(static_cast<Index>(part.labels.size()));
            });
    });
    LabelRows out;
    out.indptr.push_back(0);
    for (LabelRows& part : parts) {
        const Index before = out.indptr.back();
        for (const Index end : part.indptr) out.indptr.push_back(before + end);
        out.labels.insert(out.labels.end(), part.labels.begin(), part.labels.end());
        out.scores.insert(out.scores.end(), part.scores.begin(), part.scores.end());
        part = LabelRows();
    }
    return out;
}

/// Scores, or mean raw margins, of all labels for all rows: out[row * n_labels + label].
inline void all_labels(const Forest& forest, const SparseRows& x, Loss loss, bool as_margins, const Team& whole_team,
                       float* out) {
    const Team team = whole_team.for_work(x.n_stored() * forest.front().tree.n_labels);
    const Index n_labels = forest.front().tree.n_labels;
    std::vector<TreeWalker> walkers(static_cast<std::size_t>(team.n_threads), TreeWalker(x, loss));
    std::vector<std::vector<double>> sums(static_cast<std::size_t>(team.n_threads));
    const Index block = std::clamp<Index>((Index{1} << 20) / std::max<Index>(1, n_labels), 1, 256);
    for_each_range(x.n_rows, block, team, [&](Index begin, Index end, int thread) {
        std::vector<double>& sum = sums[static_cast<std::size_t>(thread)];
        sum.assign(static_cast<std::size_t>((end - begin) * n_labels), 0.0);
        for (const TrainedTree& trained : forest)
            walkers[static_cast<std::size_t>(thread)].walk(
                trained, begin, end, [](std::vector<Visit>&) {},
                [&](std::int32_t row, Index position, double path, double margin) {
                    sum[static_cast<std::size_t>(row * n_labels + trained.tree.label_order[position])] +=
                        as_margins ? margin : std::exp(path + log_score(loss, margin));
                });
        const auto n_trees = static_cast<double>(forest.size());
        for (std::size_t s = 0; s < sum.size(); ++s) {
            const auto mean = static_cast<float>(sum[s] / n_trees);
            out[static_cast<std::size_t>(begin * n_labels) + s] =
                as_margins ? mean : std::max(mean, std::numeric_limits<float>::min());
        }
    });
}

}  // namespace mlkit::trees
