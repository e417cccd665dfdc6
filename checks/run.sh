#!/usr/bin/env bash
# The independent checks: LoopFour against things that we did not write. Each prints what it compared.
# LOOPFOUR names the program to check; without it, it is built.
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh

if [ -z "${LOOPFOUR:-}" ]; then
  cargo build --quiet --package loopfour-cli --bin loopfour
  target=$(cargo metadata --no-deps --format-version 1 |
    .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
  export LOOPFOUR="$target/debug/loopfour"
fi

failed=0
for check in oracle contract flows malformed openid webhooks; do
  .venv/bin/python "$check.py" || failed=1
done
exit "$failed"
