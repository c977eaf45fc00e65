//! Has the linker put what no real node runs behind what it does: `cold.ld` says why.

fn main() {
    println!("cargo::rerun-if-changed=cold.ld");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/cold.ld", env!("CARGO_MANIFEST_DIR"));
}
