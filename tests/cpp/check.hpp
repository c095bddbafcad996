#pragma once
// The smallest test framework that serves: a TEST is a sentence and a block, a CHECK that fails is printed and counted,
// and main.cpp runs them all. Checks stay on in release builds, unlike assert.

#include <iostream>
#include <vector>

namespace mlkit::testing {

struct Case {
    const char* sentence;
    void (*run)();
};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

inline bool add(const char* sentence, void (*run)()) {
    cases().push_back({sentence, run});
    return true;
}

inline void check(bool holds, const char* condition, const char* file, int line) {
    if (holds) return;
    ++failures();
    std::cerr << file << ':' << line << ": does not hold: " << condition << '\n';
}

template <class Got, class Expected>
void check_equal(const Got& got, const Expected& expected, const char* expression, const char* file, int line) {
    if (got == expected) return;
    ++failures();
    std::cerr << file << ':' << line << ": " << expression << ": expected " << expected << ", got " << got << '\n';
}

}  // namespace mlkit::testing

#define TEST(sentence)                                                                              \
    static void sentence();                                                                         \
    [[maybe_unused]] static const bool sentence##_added = mlkit::testing::add(#sentence, sentence); \
    static void sentence()

#define CHECK(...) mlkit::testing::check((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define CHECK_EQUAL(got, ...) mlkit::testing::check_equal((got), (__VA_ARGS__), #got, __FILE__, __LINE__)
