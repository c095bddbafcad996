# mlkit::warnings: for our own sources only, never for those who include the kernels.
add_library(mlkit_warnings INTERFACE)
add_library(mlkit::warnings ALIAS mlkit_warnings)
if(MSVC)
  target_compile_options(mlkit_warnings INTERFACE /W4 $<$<BOOL:${MLKIT_WERROR}>:/WX>)
else()
  target_compile_options(mlkit_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                                  $<$<BOOL:${MLKIT_WERROR}>:-Werror>)
endif()
