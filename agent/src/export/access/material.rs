//! What the files of `[access]` hold.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::ServerConfig;

use crate::config::AccessConfig;

use super::certificates;
use super::gate::Door;
use super::tokens::Tokens;

/// A larger file is surely something else.
const LARGEST: u64 = 1 << 20;

/// All of it, as it was at one time.
#[derive(Clone, Debug)]
pub(super) struct Material {
    /// The TLS of each listener; `None` where there is none.
    tls: Option<Tls>,
    /// The tokens; `None` where none is asked for.
    pub(super) tokens: Option<Tokens>,
}

#[derive(Clone, Debug)]
struct Tls {
    http: Arc<ServerConfig>,
    grpc: Arc<ServerConfig>,
}

impl Material {
    /// Reads the files. The error names the key, the file and what to do.
    pub(super) fn read(config: &AccessConfig) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for (key, file) in config.files() {
            files.push((key, read(key, file)?));
        }
        let content = |key: &str| files.iter().find(|(name, _)| *name == key).map(|(_, bytes)| bytes.as_slice());
        let tls = match (content("access.certificate_file"), content("access.key_file")) {
            (Some(chain), Some(key)) => {
                let server = certificates::server(chain, key, content("access.client_ca_file"))?;
                let speaking = |door: Door| {
                    let mut server = server.clone();
                    server.alpn_protocols = door.protocols();
                    Arc::new(server)
                };
                Some(Tls { http: speaking(Door::Http), grpc: speaking(Door::Grpc) })
            }
            _ => None,
        };
        let tokens = content("access.token_file").map(tokens).transpose().context("access.token_file is not right")?;
        Ok(Self { tls, tokens })
    }

    /// The TLS of a listener.
    pub(super) fn tls(&self, door: Door) -> Option<Arc<ServerConfig>> {
        let tls = self.tls.as_ref()?;
        Some(Arc::clone(match door {
            Door::Http => &tls.http,
            Door::Grpc => &tls.grpc,
        }))
    }
}

fn tokens(bytes: &[u8]) -> anyhow::Result<Tokens> {
    Tokens::parse(std::str::from_utf8(bytes).context("it is no text: write a token a line")?)
}

fn read(key: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || {
        format!("{key} {} cannot be read: name a file that is there and that the agent's user may read", file.display())
    };
    let mut bytes = Vec::new();
    File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).with_context(unreadable)?;
    ensure!(bytes.len() as u64 <= LARGEST, "{key} {} has more than 1 MiB: is it the right file?", file.display());
    Ok(bytes)
}
