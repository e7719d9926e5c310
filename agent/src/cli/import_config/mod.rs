//! `prony import-config`: the ESP32 system's per-node configuration as Prony's.

mod confuse;
mod nodes;

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::config::{ConfigErrors, Origin, Problem};
use crate::host::machine_name;
use crate::units::Volts;

use self::nodes::{Metered, MeteredNode, Remark};
use super::output::print;

const EXAMPLES: &str = "\
Examples:
  prony import-config --volts 5.0 powermeter.conf > /etc/prony/prony.toml
  prony import-config --volts 5.0 --node odroidxu4-1 powermeter.conf
  prony import-config --volts 5.0 --into nodes/ powermeter.conf    a file for each node

The file is in libConfuse's syntax: node NAME { powermeter_server = \"192.0.2.10\" powermeter_port = 30000 channel = 2 }
Exit codes: 0 success, 1 failure, 2 the file is not good.";

/// What `prony import-config` is told.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportConfigArgs {
    /// The ESP32 system's file
    file: PathBuf,
    /// The supply voltage of the nodes, which the file does not say: the meter counts charge, not energy
    #[arg(long, value_name = "V", value_parser = voltage)]
    volts: f64,
    /// Which node's configuration to print [default: the only one, else the one that is named like this machine]
    #[arg(long, value_name = "NAME", conflicts_with = "into")]
    node: Option<String>,
    /// Write NAME.toml into this folder for each node instead
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Prony's configuration of one node, as far as it comes from the other system.
#[derive(Serialize)]
struct Imported<'a> {
    node_name: &'a str,
    source: Sources,
}

#[derive(Serialize)]
struct Sources {
    esp32: [Meter; 1],
}

#[derive(Serialize)]
struct Meter {
    address: SocketAddr,
    channel: u8,
    volts: Volts,
}

/// Prints a node's configuration, or writes one for each.
pub fn run(args: &ImportConfigArgs) -> anyhow::Result<ExitCode> {
    let path = &args.file;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let nodes = read(path, &text)?;
    let files = files(path, nodes, Volts(args.volts))?;
    match &args.into {
        Some(folder) => write(folder, &files)?,
        None => print(&choose(&files, args.node.as_deref(), &machine_name())?.1)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The nodes of the file; warnings go to standard error.
fn read(path: &Path, text: &str) -> Result<Vec<MeteredNode>, ConfigErrors> {
    let problem = |line, text| {
        let origin = Origin::File(Arc::from(path), Some(line));
        Problem { origin, problem: text, fix: String::new() }
    };
    let settings = confuse::parse(text, &|name| std::env::var(name).ok())
        .map_err(|error| ConfigErrors(vec![problem(error.line, error.problem)]))?;
    let Metered { nodes, errors, warnings } = nodes::nodes(&settings);
    for Remark { line, text } in warnings {
        eprintln!("warning: {}", problem(line, text));
    }
    if errors.is_empty() {
        return Ok(nodes);
    }
    Err(ConfigErrors(errors.into_iter().map(|Remark { line, text }| problem(line, text)).collect()))
}

/// Each node's name and the text of its file.
fn files(path: &Path, nodes: Vec<MeteredNode>, volts: Volts) -> anyhow::Result<Vec<(String, String)>> {
    let file = |node: MeteredNode| {
        let meter = Meter { address: address(&node)?, channel: node.channel, volts };
        let imported = Imported { node_name: &node.name, source: Sources { esp32: [meter] } };
        let text = format!("# Imported from {}.\n{}", path.display(), toml::to_string(&imported)?);
        Ok((node.name, text))
    };
    nodes.into_iter().map(file).collect()
}

/// Prony wants an address: a meter does not move, and the agent has to find it when the name service does not answer.
fn address(node: &MeteredNode) -> anyhow::Result<SocketAddr> {
    let found = (node.server.as_str(), node.port).to_socket_addrs().map(|mut found| found.next());
    found.ok().flatten().with_context(|| {
        format!(
            "node {}: nobody knows the address of powermeter_server = {:?} here: write its IP address",
            node.name, node.server
        )
    })
}

fn choose<'a>(
    files: &'a [(String, String)],
    wanted: Option<&str>,
    machine: &str,
) -> anyhow::Result<&'a (String, String)> {
    let of = |name: &str| files.iter().find(|(node, _)| node == name);
    let names = || files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, files) {
        (Some(name), _) => of(name).with_context(|| format!("there is no node {name}; there are: {}", names())),
        (None, [only]) => Ok(only),
        (None, _) => of(machine).with_context(|| {
            format!(
                "there are several nodes, and none is named like this machine ({machine}): choose with --node, or \
                 write a file for each with --into DIR; there are: {}",
                names()
            )
        }),
    }
}

/// Writes every file or, where one is there already, none.
fn write(folder: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    let path_of = |name: &str| folder.join(format!("{name}.toml"));
    for (name, _) in files {
        if name.contains('/') || name.starts_with('.') {
            bail!("node {name:?} cannot be the name of a file: rename it, or print it with --node");
        }
        if path_of(name).exists() {
            bail!("{} is there already: move it away, or write into another folder", path_of(name).display());
        }
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in files {
        let path = path_of(name);
        write_new(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    io::Write::write_all(&mut fs::File::create_new(path)?, text.as_bytes())
}

fn voltage(text: &str) -> Result<f64, String> {
    let volts = text.parse().ok().filter(|volts: &f64| *volts > 0.0 && volts.is_finite());
    volts.ok_or_else(|| "has to be a voltage larger than 0, for example 5.0".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const TWO_NODES: &str = "\
        node odroidxu4-1 {\n  powermeter_server = \"192.0.2.10\"\n  powermeter_port = 30000\n  channel = 2\n}\n\
        node odroidxu4-2 {\n  powermeter_server = \"192.0.2.10\"\n  channel = 3\n}\n";

    fn imported(text: &str) -> Vec<(String, String)> {
        let path = Path::new("powermeter.conf");
        files(path, read(path, text).unwrap(), Volts(5.0)).unwrap()
    }

    #[test]
    fn what_is_written_is_a_good_configuration() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &imported(TWO_NODES)).unwrap();
        for (name, channel, port) in [("odroidxu4-1", 2, 30_000), ("odroidxu4-2", 3, 30_000)] {
            let path = folder.path().join(format!("{name}.toml"));
            let loaded = config::load(Some(&path), "", &[], &[]).unwrap();
            assert_eq!(loaded.warnings, []);
            assert_eq!(loaded.config.node_name.as_deref(), Some(name));
            let [esp32] = &loaded.config.source.esp32[..] else { panic!("one meter") };
            assert_eq!((esp32.address, esp32.channel), (([192, 0, 2, 10], port).into(), channel));
            assert_eq!(esp32.volts, Volts(5.0));
        }
        let again = write(folder.path(), &imported(TWO_NODES)).unwrap_err().to_string();
        assert!(again.contains("odroidxu4-1.toml is there already: move it away"), "{again}");
    }

    #[test]
    fn the_node_is_chosen_or_has_to_be() {
        let both = imported(TWO_NODES);
        assert_eq!(choose(&both, Some("odroidxu4-2"), "").unwrap().0, "odroidxu4-2");
        assert_eq!(choose(&both, None, "odroidxu4-1").unwrap().0, "odroidxu4-1");
        assert_eq!(choose(&both[1..], None, "elsewhere").unwrap().0, "odroidxu4-2");
        for (wanted, part) in [(None, "choose with --node"), (Some("odroidxu4-3"), "there is no node odroidxu4-3")] {
            let error = choose(&both, wanted, "elsewhere").unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("odroidxu4-1, odroidxu4-2"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_imported_names_the_line_or_the_node() {
        let path = Path::new("powermeter.conf");
        let error = read(path, "node a {\n channel = 0\n powermeter_server = h }").unwrap_err().to_string();
        assert_eq!(error, "powermeter.conf:2: channel = 0: channels are numbered from 1");
        let unknown = read(path, "node a { powermeter_server = 'no host' channel = 1 }").unwrap();
        let error = files(path, unknown, Volts(5.0)).unwrap_err().to_string();
        assert!(error.contains("node a") && error.contains("write its IP address"), "{error}");
        let outside = vec![("../a".to_owned(), String::new())];
        assert!(write(Path::new("/nowhere"), &outside).is_err());
    }
}
