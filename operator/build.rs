//! Links the operator so that its relocations take little memory: what is mapped of it is most of what it needs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Addresses that only have to be shifted become bitmaps: 1 MB less to read at the start. Other linkers than
    // those for Linux do not know it.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
