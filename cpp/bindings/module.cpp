#include <pybind11/pybind11.h>

#include "mlkit/core/parallel.hpp"

#if __has_include(<Eigen/Core>)
#include <Eigen/Core>
#endif

namespace py = pybind11;

namespace mlkit::bindings {
void register_conformal(py::module_& m);
void register_labels(py::module_& m);
void register_metric_pairs(py::module_& m);
void register_metric_streams(py::module_& m);
void register_metrics(py::module_& m);
void register_quality(py::module_& m);
void register_trees(py::module_& m);
}  // namespace mlkit::bindings

#define MLKIT_TEXT_OF(x) #x
#define MLKIT_TEXT(x) MLKIT_TEXT_OF(x)

PYBIND11_MODULE(_core, m) {
    m.attr("__version__") = MLKIT_VERSION;
    m.def("thread_limit", &mlkit::backend_thread_limit);
    m.def("build_info", [] {
        py::dict info;
#if defined(__VERSION__)
        info["compiler"] = __VERSION__;
#elif defined(_MSC_FULL_VER)
        info["compiler"] = "MSVC " MLKIT_TEXT(_MSC_FULL_VER);
#endif
        info["build_type"] = MLKIT_BUILD_TYPE;
        info["sanitizers"] = MLKIT_SANITIZERS;
        info["threads"] = mlkit::thread_backend();
        info["pybind11"] = MLKIT_TEXT(PYBIND11_VERSION_MAJOR) "." MLKIT_TEXT(PYBIND11_VERSION_MINOR);
        info["eigen"] =
            MLKIT_TEXT(EIGEN_WORLD_VERSION) "." MLKIT_TEXT(EIGEN_MAJOR_VERSION) "." MLKIT_TEXT(EIGEN_MINOR_VERSION);
        return info;
    });
    auto conformal = m.def_submodule("conformal");
    auto labels = m.def_submodule("labels");
    auto metrics = m.def_submodule("metrics");
    auto quality = m.def_submodule("quality");
    auto trees = m.def_submodule("trees");
    mlkit::bindings::register_conformal(conformal);
    mlkit::bindings::register_labels(labels);
    mlkit::bindings::register_metrics(metrics);
    mlkit::bindings::register_metric_pairs(metrics);
    mlkit::bindings::register_metric_streams(metrics);
    mlkit::bindings::register_quality(quality);
    mlkit::bindings::register_trees(trees);
}
