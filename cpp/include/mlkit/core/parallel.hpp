#pragma once
// The only door to threads. Work is cut into blocks by problem size alone, so that nothing a kernel returns can depend
// on how many threads ran it. Three backends: OpenMP, std::thread (MLKIT_STD_THREADS), serial.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>

#include "mlkit/core/views.hpp"

#if defined(_OPENMP)
#include <omp.h>
#elif defined(MLKIT_STD_THREADS)
#include <thread>
#include <vector>
#endif

namespace mlkit {

/// Thrown out of a kernel when `Team::interrupted` said so.
struct Interrupted : std::exception {
    const char* what() const noexcept override { return "interrupted"; }
};

/// Who does the work: a resolved number of threads, and a question that the calling thread asks now and then
/// ("did the user press Ctrl-C?").
struct Team {
    int n_threads = 1;
    std::function<bool()> interrupted = {};

    /// Fewer threads for little work: starting one, and waiting for it on a busy machine, costs more than it saves.
    Team for_work(Index operations) const {
        constexpr Index per_thread = 250'000;
        const Index wanted = 1 + operations / per_thread;
        return {static_cast<int>(std::min<Index>(n_threads, wanted)), interrupted};
    }
};

inline const char* thread_backend() {
#if defined(_OPENMP)
    return "openmp";
#elif defined(MLKIT_STD_THREADS)
    return "std::thread";
#else
    return "serial";
#endif
}

/// Threads that a parallel region started here may use, in the sense of the backend (OMP_NUM_THREADS, a caller's
/// limit); 0 when the backend has no opinion.
inline int backend_thread_limit() {
#if defined(_OPENMP)
    return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
    return 0;
#endif
}

namespace detail {

/// Asks for an interrupt ten times a second at most.
class Poll {
  public:
    explicit Poll(const Team& team) : team_(team) {}

    bool is_interrupted() {
        if (!team_.interrupted) return false;
        const auto now = std::chrono::steady_clock::now();
        if (now - last_ <= std::chrono::milliseconds(100)) return false;
        last_ = now;
        return team_.interrupted();
    }

  private:
    const Team& team_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// What the members of a team share while they take blocks: the next block, the first exception, the clock.
class BlockQueue {
  public:
    BlockQueue(Index n_blocks, const Team& team) : n_blocks_(n_blocks), team_(team) {}

    template <class Body>
    void work(int thread, Body& body) {
        Poll poll(team_);
        for (;;) {
            const Index block = next_.fetch_add(1, std::memory_order_relaxed);
            if (block >= n_blocks_) return;
            try {
                body(block, thread);
                if (thread == 0 && poll.is_interrupted()) throw Interrupted();
            } catch (...) {
                const std::lock_guard<std::mutex> lock(mutex_);
                if (!error_) error_ = std::current_exception();
                next_.store(n_blocks_, std::memory_order_relaxed);
                return;
            }
        }
    }

    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    const Index n_blocks_;
    const Team& team_;
    std::atomic<Index> next_{0};
    std::mutex mutex_;
    std::exception_ptr error_;
};

}  // namespace detail

/// For bodies that may take long: they look for an interrupt themselves, the calling thread for all of them.
class Lookout {
  public:
    explicit Lookout(const Team& team) : poll_(team) {}

    void look(int thread) {
        if (thread == 0 && poll_.is_interrupted()) is_over_.store(true, std::memory_order_relaxed);
        if (is_over_.load(std::memory_order_relaxed)) throw Interrupted();
    }

  private:
    detail::Poll poll_;
    std::atomic<bool> is_over_{false};
};

/// Calls body(block, thread) once for each block, thread < team.n_threads; the first exception is rethrown here.
/// Blocks are taken in ascending order by whoever is free: a body may add to integers of its thread and write what
/// belongs to its block, and nothing else.
template <class Body>
void for_each_block(Index n_blocks, const Team& team, Body&& body) {
    const int n_threads = static_cast<int>(std::max<Index>(1, std::min<Index>(team.n_threads, n_blocks)));
    detail::BlockQueue queue(n_blocks, team);
    if (n_threads == 1) {
        queue.work(0, body);
    } else {
#if defined(_OPENMP)
#pragma omp parallel num_threads(n_threads)
        queue.work(omp_get_thread_num(), body);
#elif defined(MLKIT_STD_THREADS)
        std::vector<std::thread> others;
        for (int t = 1; t < n_threads; ++t) others.emplace_back([&, t] { queue.work(t, body); });
        queue.work(0, body);
        for (auto& other : others) other.join();
#else
        queue.work(0, body);
#endif
    }
    queue.rethrow();
}

/// Contiguous ranges of `n` items in blocks of `block_size`: body(begin, end, thread).
template <class Body>
void for_each_range(Index n, Index block_size, const Team& team, Body&& body) {
    const Index n_blocks = (n + block_size - 1) / block_size;
    for_each_block(n_blocks, team, [&](Index block, int thread) {
        body(block * block_size, std::min(n, (block + 1) * block_size), thread);
    });
}

}  // namespace mlkit
