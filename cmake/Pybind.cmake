# pybind11 for the Python that comes first on the path (or Python_EXECUTABLE). A pybind11 installed with pip is asked
# where its CMake package lies, so that a plain `cmake --preset dev` finds what `pip install pybind11` brought.
set(PYBIND11_FINDPYTHON ON)
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
if(NOT pybind11_DIR AND NOT SKBUILD)
  execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
                  OUTPUT_VARIABLE pybind11_hint OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_package(pybind11 2.10 CONFIG REQUIRED HINTS "${pybind11_hint}")
