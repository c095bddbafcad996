// Places among distinct scores and bins of probability equal plain counting; the series of the logarithm is close.

#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"
#include "mlkit/metrics/key_table.hpp"

using namespace mlkit;

namespace {

template <class Real>
void check_places(const std::vector<Real>& keys, const std::vector<Real>& wanted) {
    metrics::KeyTable<Real> table;
    table.build(keys);
    std::vector<std::int32_t> places(wanted.size());
    table.find(wanted.data(), static_cast<Index>(wanted.size()), places.data());
    std::vector<Real> distinct = keys;
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    CHECK(table.n_keys() == static_cast<Index>(distinct.size()));
    std::vector<Index> counts(static_cast<std::size_t>(table.n_places())), expected = counts;
    for (std::size_t k = 0; k < wanted.size(); ++k) {
        std::int32_t place = 0;
        for (const Real key : distinct) place += (key < wanted[k]) + (key <= wanted[k]);
        CHECK(places[k] == place);
        ++expected[static_cast<std::size_t>(place)];
    }
    std::vector<std::uint32_t> scratch;
    metrics::count_places(places.data(), static_cast<Index>(places.size()), table.n_places(), scratch, counts.data());
    CHECK(counts == expected);
}

template <class Real>
void check_many() {
    constexpr Real infinity = std::numeric_limits<Real>::infinity();
    const std::vector<Real> nasty{Real(-0.0),
                                  0,
                                  1,
                                  -1,
                                  infinity,
                                  -infinity,
                                  std::numeric_limits<Real>::denorm_min(),
                                  std::numeric_limits<Real>::max(),
                                  Real(0.5),
                                  Real(-0.5),
                                  Real(1e-30)};
    check_places<Real>({}, nasty);
    for (const Real key : nasty) check_places<Real>({key}, nasty);
    check_places<Real>(nasty, nasty);
    std::mt19937_64 random(1);
    for (const int n : {3, 40, 700}) {
        std::vector<Real> keys, wanted = nasty;
        for (int k = 0; k < n; ++k)
            keys.push_back(static_cast<Real>(std::pow(10.0, -static_cast<double>(random() % 300) / 50)));
        for (int k = 0; k < 500; ++k) wanted.push_back(static_cast<Real>(static_cast<double>(random() % 1000) / 1000));
        wanted.insert(wanted.end(), keys.begin(), keys.end());
        check_places<Real>(keys, wanted);
    }
}

}  // namespace

TEST(places_among_distinct_scores) {
    check_many<float>();
    check_many<double>();
}

TEST(bins_that_are_computed_are_those_that_are_searched_for) {
    for (const std::int32_t n_bins : {1, 2, 3, 7, 15, 100}) {
        const double step = 1.0 / n_bins;
        std::vector<double> p{0.0, 1.0};
        for (std::int32_t b = 0; b < n_bins; ++b)
            for (const double x : {b * step, std::nextafter(b * step, 0.0), std::nextafter(b * step, 1.0)})
                p.push_back(std::min(1.0, x));
        std::vector<std::int32_t> right(p.size()), left(p.size());
        simd::bins_closed_right(p.data(), static_cast<Index>(p.size()), step, n_bins, right.data());
        simd::bins_closed_left(p.data(), static_cast<Index>(p.size()), step, n_bins, left.data());
        for (std::size_t k = 0; k < p.size(); ++k) {
            std::int32_t below = 0, reached = 0;
            for (std::int32_t b = 1; b < n_bins; ++b) below += b * step < p[k], reached += b * step <= p[k];
            CHECK(right[k] == below);
            CHECK(left[k] == reached);
        }
    }
}

TEST(logarithms_and_their_units) {
    for (double p = 1e-16; p < 1.0; p *= 1.37) {
        const double inside = std::min(std::max(p, 1e-7), 1.0 - 1e-7);
        CHECK(std::abs(simd::log_loss(p, 1e-7) + std::log(inside)) <= 4e-16 * (1.0 - std::log(inside)));
        const auto units = static_cast<double>(fixed_point::wide_units(-std::log(p)));
        CHECK(std::abs(units * 0x1p-50 + std::log(p)) <= 0x1p-51 - 1e-16 * std::log(p));
    }
    CHECK(fixed_point::fine_units(1.0) == std::uint64_t{1} << 50);
    CHECK(fixed_point::wide_units(36.0) == std::uint64_t{36} << 50);
}
