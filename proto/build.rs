//! Makes Rust of the .proto files, without a protoc: protox compiles them.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

/// Every .proto file of ours, relative to this crate.
const FILES: &[&str] = &["prony/energy/v1/energy.proto", "prony/meter/v1.proto", "prony/meter/v2.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // The agent's servers are its own: they send messages that were encoded before.
    tonic_prost_build::configure().build_server(false).compile_fds(descriptors)?;
    Ok(())
}
