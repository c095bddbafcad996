# Puts the extension into <build>/python/mlkit and links the Python files there, so that
# PYTHONPATH=<build>/python runs the package (and its tests) without an installation.
set(package_dir "${CMAKE_CURRENT_BINARY_DIR}/python/mlkit")
set_target_properties(_core PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${package_dir}")
file(GLOB_RECURSE python_files CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/python/mlkit"
     "${CMAKE_CURRENT_SOURCE_DIR}/python/mlkit/*.py" "${CMAKE_CURRENT_SOURCE_DIR}/python/mlkit/*.pyi")
foreach(file IN LISTS python_files)
  get_filename_component(folder "${package_dir}/${file}" DIRECTORY)
  file(MAKE_DIRECTORY "${folder}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}/python/mlkit/${file}" "${package_dir}/${file}" COPY_ON_ERROR SYMBOLIC)
endforeach()
