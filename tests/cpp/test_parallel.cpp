// Threads: each block once, in blocks that depend on the problem alone; exceptions and interrupts reach the caller.

#include <atomic>
#include <chrono>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.hpp"
#include "mlkit/core/parallel.hpp"

using namespace mlkit;

namespace {

Team team_of(int n_threads) { return {n_threads, {}}; }

bool is_serial() { return std::string(thread_backend()) == "serial"; }

}  // namespace

TEST(every_block_is_worked_on_exactly_once) {
    for (const int n_threads : {1, 2, 3, 8}) {
        for (const Index n_blocks : {0, 1, 2, 7, 1000}) {
            std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n_blocks));
            for_each_block(n_blocks, team_of(n_threads),
                           [&](Index block, int) { ++visits[static_cast<std::size_t>(block)]; });
            for (const auto& n : visits) CHECK_EQUAL(n.load(), 1);
        }
    }
}

TEST(thread_numbers_stay_below_the_size_of_the_team) {
    for (const int n_threads : {1, 2, 5}) {
        std::atomic<int> lowest{n_threads}, highest{-1};
        for_each_block(200, team_of(n_threads), [&](Index, int thread) {
            for (int seen = lowest; thread < seen && !lowest.compare_exchange_weak(seen, thread);) continue;
            for (int seen = highest; thread > seen && !highest.compare_exchange_weak(seen, thread);) continue;
        });
        CHECK(lowest.load() >= 0);
        CHECK(highest.load() < n_threads);
    }
}

TEST(two_threads_work_at_the_same_time_unless_there_is_no_backend) {
    if (is_serial()) return;
    // Each of two blocks waits for the other one to begin; a limit keeps a broken backend from hanging.
    std::atomic<int> begun{0};
    std::atomic<bool> met{false};
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for_each_block(2, team_of(2), [&](Index, int) {
        ++begun;
        while (begun.load() < 2 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
        if (begun.load() == 2) met = true;
    });
    CHECK(met.load());
}

TEST(ranges_cover_all_items_in_blocks_that_do_not_depend_on_threads) {
    for (const int n_threads : {1, 3}) {
        std::vector<std::pair<Index, Index>> ranges(4);
        for_each_range(35, 10, team_of(n_threads), [&](Index begin, Index end, int) {
            ranges[static_cast<std::size_t>(begin / 10)] = {begin, end};
        });
        CHECK(ranges == std::vector<std::pair<Index, Index>>{{0, 10}, {10, 20}, {20, 30}, {30, 35}});
    }
}

TEST(no_items_means_no_ranges) {
    int calls = 0;
    for_each_range(0, 10, team_of(4), [&](Index, Index, int) { ++calls; });
    CHECK_EQUAL(calls, 0);
}

TEST(sums_by_thread_add_up_to_the_whole) {
    std::vector<std::int64_t> sums(8, 0);
    for_each_block(10'000, team_of(8),
                   [&](Index block, int thread) { sums[static_cast<std::size_t>(thread)] += block; });
    CHECK_EQUAL(std::accumulate(sums.begin(), sums.end(), std::int64_t{0}), std::int64_t{10'000} * 9'999 / 2);
}

TEST(an_exception_from_a_block_reaches_the_caller) {
    for (const int n_threads : {1, 2, 8}) {
        std::string message;
        try {
            for_each_block(100, team_of(n_threads), [](Index block, int) {
                if (block == 3) throw std::runtime_error("block three");
            });
        } catch (const std::runtime_error& error) {
            message = error.what();
        }
        CHECK_EQUAL(message, "block three");
    }
}

TEST(work_stops_after_an_exception) {
    std::atomic<int> visits{0};
    bool thrown = false;
    try {
        for_each_block(1'000'000, team_of(1), [&](Index block, int) {
            ++visits;
            if (block == 5) throw std::runtime_error("enough");
        });
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK_EQUAL(visits.load(), 6);
}

TEST(many_exceptions_at_once_become_one) {
    int caught = 0;
    try {
        for_each_block(64, team_of(8), [](Index, int) { throw std::runtime_error("each"); });
    } catch (const std::runtime_error&) {
        ++caught;
    }
    CHECK_EQUAL(caught, 1);
}

TEST(an_interrupt_ends_the_work_and_is_asked_for_by_the_calling_thread_only) {
    for (const int n_threads : {1, 2}) {
        const auto caller = std::this_thread::get_id();
        std::atomic<bool> asked_elsewhere{false};
        std::atomic<Index> visits{0};
        const Team team{n_threads, [&] {
                            if (std::this_thread::get_id() != caller) asked_elsewhere = true;
                            return true;
                        }};
        const Index n_blocks = 20'000;  // at a millisecond a block: 10 to 20 s if nobody looked
        bool interrupted = false;
        try {
            for_each_block(n_blocks, team, [&](Index, int) {
                ++visits;
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            });
        } catch (const Interrupted&) {
            interrupted = true;
        }
        CHECK(interrupted);
        CHECK(visits.load() < n_blocks);
        CHECK(!asked_elsewhere.load());
    }
}

TEST(no_interrupt_leaves_the_work_whole) {
    Index visits = 0;
    for_each_block(300, {1, [] { return false; }}, [&](Index, int) {
        ++visits;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    CHECK_EQUAL(visits, 300);
}

TEST(little_work_gets_few_threads_and_never_more_than_the_team_has) {
    CHECK_EQUAL(team_of(8).for_work(0).n_threads, 1);
    CHECK_EQUAL(team_of(8).for_work(1).n_threads, 1);
    CHECK_EQUAL(team_of(8).for_work(std::numeric_limits<Index>::max() / 2).n_threads, 8);
    CHECK_EQUAL(team_of(1).for_work(std::numeric_limits<Index>::max() / 2).n_threads, 1);
}

TEST(a_region_inside_a_region_is_told_to_use_one_thread_by_openmp) {
    if (std::string(thread_backend()) != "openmp") return;
    std::atomic<int> most{0};
    for_each_block(8, team_of(2), [&](Index, int) {
        const int limit = backend_thread_limit();
        for (int seen = most; limit > seen && !most.compare_exchange_weak(seen, limit);) continue;
    });
    CHECK_EQUAL(most.load(), 1);
}
