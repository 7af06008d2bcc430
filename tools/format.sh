#!/usr/bin/env bash
# Formats every C++ file of the tree; with --check only names those that are not.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run -Werror)
git ls-files -z --cached --others --exclude-standard '*.cc' '*.h' | xargs -0 -r clang-format-14 "${mode[@]}"
