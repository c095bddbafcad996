# mlkit::sanitizers: MLKIT_SANITIZE=address,undefined instruments the kernels and whoever includes them.
add_library(mlkit_sanitizers INTERFACE)
add_library(mlkit::sanitizers ALIAS mlkit_sanitizers)
if(MLKIT_SANITIZE)
  target_compile_options(mlkit_sanitizers INTERFACE -fsanitize=${MLKIT_SANITIZE} -fno-sanitize-recover=all
                                                    -fno-omit-frame-pointer -g1)
  target_link_options(mlkit_sanitizers INTERFACE -fsanitize=${MLKIT_SANITIZE})
endif()
