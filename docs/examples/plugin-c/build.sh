#!/bin/sh
# Builds dist/plugin.wasm, or plugin.wasm in the folder that is given. The same sources give the same bytes.
set -eu
out=$(mkdir -p "${1:-$(dirname "$0")/dist}" && cd "${1:-$(dirname "$0")/dist}" && pwd)
cd "$(dirname "$0")"
exec clang --target=wasm32-wasi -mexec-model=reactor -std=c11 -O2 -Wall -Wextra -Werror -Wno-unused-function \
  -Wl,--strip-debug -o "$out/plugin.wasm" plugin.c
