#!/usr/bin/env bash
# The one command that people and CI run: format, lints, tests, documentation, licences.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

for tool in cargo cc; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install Rust from https://rustup.rs and a C compiler (Debian: apt-get install gcc libc6-dev)" >&2; exit 3; }
done

data="${SCHISM_DATA:-../shared/data}"
[ -d "$data" ] || echo "note: no real Bitcoin data at $data (SCHISM_DATA); the tests that need it say so and are ignored"

step format
cargo fmt --all --check
step lints
cargo clippy --workspace --all-targets --locked -- -D warnings
step tests
cargo test --workspace --locked
step clients
cargo run --quiet --locked --manifest-path tests/client/Cargo.toml --target-dir target/client -- \
    "$(ls target/*/debug/schism target/debug/schism 2>/dev/null | head -n 1)" topologies/ring-8.yaml
step documentation
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
step licences
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --config ci/deny.toml check bans licenses sources
else
    echo "skipped: cargo-deny is not installed; get it with: cargo install --locked cargo-deny"
fi
echo
echo "all checks passed"
