# mlkit::eigen, from the first of: a target that exists already, the user's or the system's package, the wheel
# `cmeel-eigen` (in <prefix>/cmeel.prefix), a pinned download when MLKIT_FETCH_EIGEN is ON.
# Eigen 5's package refuses a request for "3.4", so the search names no version and the range is checked here.

function(mlkit_find_eigen)
  if(TARGET Eigen3::Eigen)
    return()
  endif()
  find_package(Eigen3 CONFIG QUIET GLOBAL)
  if(NOT TARGET Eigen3::Eigen)
    set(prefixes ${CMAKE_PREFIX_PATH})
    find_package(Python COMPONENTS Interpreter QUIET)
    if(Python_Interpreter_FOUND)
      execute_process(COMMAND "${Python_EXECUTABLE}" -c "import sys; print(';'.join(p for p in sys.path if p))"
                      OUTPUT_VARIABLE python_path OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
      list(APPEND prefixes ${python_path})
    endif()
    list(TRANSFORM prefixes APPEND "/cmeel.prefix")
    find_package(Eigen3 CONFIG QUIET GLOBAL PATHS ${prefixes} NO_DEFAULT_PATH)
  endif()
  if(NOT TARGET Eigen3::Eigen AND MLKIT_FETCH_EIGEN)
    include(FetchContent)
    FetchContent_Declare(eigen
      URL https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.bz2
      URL_HASH SHA256=b4c198460eba6f28d34894e3a5710998818515104d6e74e5cc331ce31e46e626
      SOURCE_SUBDIR headers-only) # there is no such folder: Eigen's own project is not added
    FetchContent_MakeAvailable(eigen)
    add_library(Eigen3::Eigen INTERFACE IMPORTED GLOBAL)
    target_include_directories(Eigen3::Eigen SYSTEM INTERFACE "${eigen_SOURCE_DIR}")
    set(Eigen3_VERSION 3.4.0)
  endif()
  if(NOT TARGET Eigen3::Eigen)
    message(FATAL_ERROR
      "Eigen (>= 3.4, < 6) was not found. Any one of these helps:\n"
      "  1. install the system package (libeigen3-dev, eigen3, eigen);\n"
      "  2. pip install cmeel-eigen into the environment that builds;\n"
      "  3. configure with -DMLKIT_FETCH_EIGEN=ON to download a pinned release.")
  endif()
  if(Eigen3_VERSION AND (Eigen3_VERSION VERSION_LESS 3.4 OR Eigen3_VERSION VERSION_GREATER_EQUAL 6))
    message(FATAL_ERROR "Eigen ${Eigen3_VERSION} at ${Eigen3_DIR}: mlkit needs 3.4 <= version < 6")
  endif()
  message(STATUS "Eigen ${Eigen3_VERSION} (${Eigen3_DIR})")
endfunction()

mlkit_find_eigen()
add_library(mlkit_eigen INTERFACE)
add_library(mlkit::eigen ALIAS mlkit_eigen)
target_link_libraries(mlkit_eigen INTERFACE Eigen3::Eigen)
target_compile_definitions(mlkit_eigen INTERFACE EIGEN_MPL2_ONLY EIGEN_DONT_PARALLELIZE)
