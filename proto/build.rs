//! Makes Rust of the .proto files, without a protoc: protox compiles them.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

/// .proto files whose servers, if any, are the agent's own: they send messages that were encoded before.
const MESSAGES: &[&str] = &["prony/energy/v1/energy.proto", "prony/meter/v1.proto", "prony/meter/v2.proto"];
/// .proto files whose servers are made from them.
const SERVICES: &[&str] = &["prony/invocation/v1/invocations.proto"];

/// Others' .proto files, which are no part of what the agent serves.
const FOREIGN: &[&str] = &["runtime/v1/cri.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let all = || MESSAGES.iter().chain(SERVICES);
    for file in all().chain(FOREIGN) {
        println!("cargo::rerun-if-changed={file}");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), protox::compile(all(), ["."])?.encode_to_vec())?;
    tonic_prost_build::configure().build_server(false).compile_fds(protox::compile(MESSAGES, ["."])?)?;
    tonic_prost_build::configure().build_server(true).compile_fds(protox::compile(SERVICES, ["."])?)?;
    // The server is for those who test against it.
    tonic_prost_build::configure().build_server(true).compile_fds(protox::compile(FOREIGN, ["."])?)?;
    Ok(())
}
