# One library per folder, linking exactly what its row in the table of layers allows.

add_library(cadre_flags INTERFACE)
target_include_directories(cadre_flags INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(cadre_flags INTERFACE _GNU_SOURCE)
# No contraction into fused multiply-adds behind our back: results must not depend on flags.
target_compile_options(cadre_flags INTERFACE -Wall -Wextra -Werror -Wshadow
    -Wstrict-prototypes -Wmissing-prototypes -Wvla -ffp-contract=off
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/src/=
    -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(CADRE_SANITIZE)
    target_compile_options(cadre_flags INTERFACE -fsanitize=${CADRE_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(cadre_flags INTERFACE -fsanitize=${CADRE_SANITIZE})
endif()

# cadre_layer(NAME SOURCES ... LINKS ...): static library cadre_NAME of the calling folder.
# Framework folders see src/ and kernels/; shard kernels (KERNEL) see only include/.
function(cadre_layer name)
    cmake_parse_arguments(ARG "KERNEL" "" "SOURCES;LINKS" ${ARGN})
    add_library(cadre_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(cadre_${name} PUBLIC cadre_flags ${ARG_LINKS})
    if(NOT ARG_KERNEL)
        target_include_directories(cadre_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src
            ${PROJECT_SOURCE_DIR}/kernels)
    endif()
endfunction()
