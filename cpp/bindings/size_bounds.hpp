#pragma once
// Bounds on numbers of label sets as arrays; those that leave 64 bits come apart, as little-endian bytes by row.

#include "mlkit/conformal/count.hpp"
#include "numpy_views.hpp"

namespace mlkit::bindings {

inline py::bytes to_bytes(const conformal::BigCount& count) {
    const auto& words = count.words();
    return py::bytes(reinterpret_cast<const char*>(words.data()), 8 * words.size());
}

inline py::tuple bounds_to_numpy(const std::vector<conformal::SizeBound>& sizes) {
    const auto n = static_cast<py::ssize_t>(sizes.size());
    Array<std::uint64_t> lower(n), upper(n);
    std::uint64_t *low = lower.mutable_data(), *high = upper.mutable_data();
    py::dict large;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const auto &a = sizes[i].lower.words(), &b = sizes[i].upper.words();
        low[i] = a.empty() ? 0 : a[0];
        high[i] = b.empty() ? 0 : b[0];
        if (b.size() > 1) large[py::int_(i)] = py::make_tuple(to_bytes(sizes[i].lower), to_bytes(sizes[i].upper));
    }
    return py::make_tuple(lower, upper, large);
}

}  // namespace mlkit::bindings
