#!/usr/bin/env bash
# The checks of .clang-tidy over every source file in the build.
#   tools/clang_tidy.sh [FILE…]
set -euo pipefail
cd "$(dirname "$0")/.."
# The fuzz preset compiles with clang, so its commands are ones clang-tidy understands.
[ -e build/fuzz/compile_commands.json ] || cmake --preset fuzz -DDUCKBACK_TESTS=OFF >/dev/null
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files 'src/*.cc' | grep -v '_test\.cc$')
printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 4 clang-tidy-14 -p build/fuzz --quiet
