#!/usr/bin/env bash
# Gets what the conformance tests need into target/venv and target/node, then runs them. Without Python or Node they are skipped;
# in CI that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
here=tests/conformance

skip() {
    echo "SKIPPED: the conformance tests need $1"
    test -z "${CI:-}"
    exit
}
command -v python3 >/dev/null && python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip 'Python 3.10 or newer with venv (apt-get install python3-venv)'
command -v npm >/dev/null && test "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 || skip 'Node 20 or newer with npm'

# Installed anew only when the list has changed.
if ! cmp -s "$here/requirements.txt" "$target/venv/installed"; then
    python3 -m venv "$target/venv"
    "$target/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" || skip 'what is in requirements.txt'
    cp "$here/requirements.txt" "$target/venv/installed"
fi
mkdir -p "$target/node"
if ! cmp -s "$here/package.json" "$target/node/package.json"; then
    cp "$here/package.json" "$target/node/package.json.new"
    (cd "$target/node" && mv package.json.new package.json && npm install --silent --no-audit --no-fund) || { rm -f "$target/node/package.json"; skip 'what is in package.json'; }
fi

cargo build --locked
WORK_DIR=$(realpath "$target")/conformance NODE_DIR=$(realpath "$target/node") MTBRIDGE=$(realpath "$target/debug/mtbridge") \
    "$target/venv/bin/python" "$here/run.py"
