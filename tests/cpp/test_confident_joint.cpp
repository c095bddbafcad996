// The confident joint: counted by hand on four examples, calibrated by hand, rounded without losing an example.

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "mlkit/quality/confident_joint.hpp"

using namespace mlkit;
using namespace mlkit::quality;

namespace {

std::string text(const Joint& joint) {
    std::string out;
    for (const auto& row : joint)
        for (const Index count : row) out += std::to_string(count) + ' ';
    return out;
}

}  // namespace

TEST(cells_are_counted_by_what_was_given_and_what_is_guessed) {
    // One label, eight examples; guessed 1 from 0.7 upwards and 0 from 0.4 downwards.
    const std::vector<double> p{0.9, 0.7, 0.5, 0.4, 0.1, 0.8, 0.3, 0.69};
    const std::vector<Index> indptr{0, 1, 2, 3, 4, 4, 4, 4, 4};  // the first four have the label
    const std::vector<std::int32_t> indices{0, 0, 0, 0};
    const DenseScores scores{8, 1, reinterpret_cast<const std::byte*>(p.data()), 8, 8, Real::float64, false};
    const Cells cells{{8, 1, indptr.data(), indices.data(), nullptr, Background::negative}, scores};
    const double one = 0.7, zero = 0.4;
    const Index n_negative = 4;
    for (const int n_threads : {1, 2}) {
        const auto joints = confident_joint(cells, {&one, &zero}, &n_negative, nullptr, {n_threads, {}});
        CHECK_EQUAL(joints.size(), 1u);
        CHECK_EQUAL(text(joints[0]), "2 1 1 2 ");  // [0][0] [0][1] [1][0] [1][1]
    }
}

TEST(unknown_cells_are_not_counted) {
    const std::vector<double> p{0.9, 0.9, 0.1, 0.1};
    const std::vector<Index> indptr{0, 1, 2, 3, 3};
    const std::vector<std::int32_t> indices{0, 0, 0};
    const std::vector<std::int8_t> values{1, -1, -1};
    const DenseScores scores{4, 1, reinterpret_cast<const std::byte*>(p.data()), 8, 8, Real::float64, false};
    const Cells cells{{4, 1, indptr.data(), indices.data(), values.data(), Background::negative}, scores};
    const double cut = 0.5;
    const Index n_negative = 1;
    const auto joints = confident_joint(cells, {&cut, &cut}, &n_negative, nullptr, {1, {}});
    CHECK_EQUAL(text(joints[0]), "1 0 0 1 ");
}

TEST(negatives_that_sparse_scores_do_not_store_count_as_zero_probability) {
    // Three labels, three examples; label 0 is given in the first, label 2 in the last.
    const std::vector<double> p{0.9, 0.8, 0.2};
    const std::vector<Index> score_indptr{0, 2, 3, 3}, indptr{0, 1, 1, 2};
    const std::vector<std::int32_t> score_indices{0, 1, 1}, indices{0, 2};
    const SparseScores scores{
        3,    3, score_indptr.data(), score_indices.data(), reinterpret_cast<const std::byte*>(p.data()), Real::float64,
        false};
    const Cells cells{{3, 3, indptr.data(), indices.data(), nullptr, Background::negative}, scores};
    const std::vector<double> one{0.7, 0.7, 0.7}, zero{0.3, 0.3, 0.3};
    const std::vector<Index> n_negative{2, 3, 2};
    const auto joints = confident_joint(cells, {one.data(), zero.data()}, n_negative.data(), nullptr, {1, {}});
    CHECK_EQUAL(text(joints[0]), "2 0 0 1 ");
    CHECK_EQUAL(text(joints[1]), "2 1 0 0 ");
    CHECK_EQUAL(text(joints[2]), "2 0 1 0 ");
}

TEST(rounding_keeps_the_rounded_sum) {
    CHECK(round_keeping_sum(1.4, 2.6) == std::array<Index, 2>{1, 3});
    CHECK(round_keeping_sum(1.0, 2.0) == std::array<Index, 2>{1, 2});
    CHECK(round_keeping_sum(0.0, 0.0) == std::array<Index, 2>{0, 0});
    CHECK(round_keeping_sum(1.4, 1.4) == std::array<Index, 2>{1, 2});   // 2.8 -> 3: a tie gives way in the second
    CHECK(round_keeping_sum(1.6, 1.6) == std::array<Index, 2>{1, 2});   // 3.2 -> 3: a tie gives way in the first
    CHECK(round_keeping_sum(1.45, 1.3) == std::array<Index, 2>{2, 1});  // 2.75 -> 3: the larger residual gives way
}

TEST(rounding_never_loses_or_invents_an_example) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(0.0, 50.0);
    for (int k = 0; k < 10'000; ++k) {
        const double a = uniform(random), b = std::nearbyint(uniform(random)) + 51.0 - a;  // a whole number together
        const auto rounded = round_keeping_sum(a, b);
        CHECK_EQUAL(rounded[0] + rounded[1], static_cast<Index>(std::nearbyint(a + b)));
        CHECK(std::fabs(static_cast<double>(rounded[0]) - a) <= 1.0);
        CHECK(std::fabs(static_cast<double>(rounded[1]) - b) <= 1.0);
    }
}

TEST(a_joint_is_calibrated_to_the_counts_of_the_given_labels) {
    // Row 0: 30 + 10 confident cells stand for 100 given negatives; row 1: 5 + 15 for 40 given positives.
    CHECK_EQUAL(text(calibrate_joint({{{30, 10}, {5, 15}}}, 100, 40)), "75 25 10 30 ");
}

TEST(the_diagonal_of_a_joint_counts_at_least_one) {
    CHECK_EQUAL(text(calibrate_joint({{{0, 0}, {0, 0}}}, 7, 3)), "7 0 0 3 ");
    CHECK_EQUAL(text(calibrate_joint({{{0, 1}, {0, 4}}}, 10, 4)), "5 5 0 4 ");
}

TEST(rows_of_a_calibrated_joint_sum_to_the_given_counts) {
    std::mt19937_64 random(2);
    const auto up_to = [&](Index n) { return static_cast<Index>(random() % static_cast<std::uint64_t>(n + 1)); };
    for (int k = 0; k < 10'000; ++k) {
        const Index n_negative = 1 + up_to(1000), n_positive = 1 + up_to(1000);
        const Joint joint{{{up_to(100), up_to(100)}, {up_to(100), up_to(100)}}};
        const Joint calibrated = calibrate_joint(joint, n_negative, n_positive);
        CHECK_EQUAL(calibrated[0][0] + calibrated[0][1], n_negative);
        CHECK_EQUAL(calibrated[1][0] + calibrated[1][1], n_positive);
        for (const auto& row : calibrated)
            for (const Index count : row) CHECK(count >= 0);
    }
}
