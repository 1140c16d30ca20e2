//! Makes cargo look at the migrations, which are compiled in but lie outside the crate.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
    println!("cargo:rerun-if-changed=../../migrations/postgres");
}
