//! The nodes of the ESP32 system's file, each with the meter that it hangs on:
//!
//! ```text
//! node odroidxu4-1 {
//!   powermeter_server = "192.0.2.10"
//!   powermeter_port = 30000
//!   channel = 2
//! }
//! ```

use std::collections::HashMap;

use super::confuse::{Setting, Value};

/// The meter's port where the file has none.
const DEFAULT_PORT: u16 = 30_000;

/// A node and its meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MeteredNode {
    pub(super) name: String,
    /// An address or a host's name.
    pub(super) server: String,
    pub(super) port: u16,
    pub(super) channel: u8,
    /// Where its section begins, from 1.
    pub(super) line: usize,
}

/// Something to tell about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// From 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metered {
    pub(super) nodes: Vec<MeteredNode>,
    /// What keeps it from being imported.
    pub(super) errors: Vec<Remark>,
    /// What is left out, or looks as if it was not meant.
    pub(super) warnings: Vec<Remark>,
}

/// The nodes among the settings of a file.
pub(super) fn nodes(file: &[Setting]) -> Metered {
    let mut found = Metered::default();
    for setting in file {
        match &setting.value {
            Value::Section { title: Some(title), settings } if setting.name == "node" => {
                found.take(title, setting.line, settings);
            }
            Value::Section { title: None, .. } if setting.name == "node" => {
                found.error(setting.line, "this node has no name: write `node NAME {`".into());
            }
            _ => found.left_out(setting),
        }
    }
    if found.nodes.is_empty() && found.errors.is_empty() {
        found.error(1, "there is no `node NAME { ... }` in this file".into());
    }
    found.warn_of_what_is_there_twice();
    found
}

impl Metered {
    fn take(&mut self, name: &str, line: usize, settings: &[Setting]) {
        let (mut server, mut port, mut channel) = (None, Some(DEFAULT_PORT), None);
        let mut channel_is_there = false;
        for setting in settings {
            let Value::Text(value) = &setting.value else {
                self.left_out(setting);
                continue;
            };
            match setting.name.as_str() {
                "powermeter_server" => server = Some(value.clone()),
                "powermeter_port" => {
                    port = value.parse().ok().filter(|&port| port > 0);
                    if port.is_none() {
                        self.error(setting.line, format!("powermeter_port = {value}: has to be from 1 to 65535"));
                    }
                }
                "channel" => {
                    channel_is_there = true;
                    channel = value.parse().ok().filter(|&channel| channel > 0);
                    if channel.is_none() {
                        self.error(setting.line, format!("channel = {value}: channels are numbered from 1"));
                    }
                }
                _ => self.left_out(setting),
            }
        }
        if server.is_none() {
            self.error(line, format!("node {name} has no powermeter_server: add the meter's address"));
        }
        if !channel_is_there {
            self.error(line, format!("node {name} has no channel: add the one that it hangs on"));
        }
        if self.nodes.iter().any(|node| node.name == name) {
            self.error(line, format!("there is a node {name} already: remove one of them"));
        }
        if let (Some(server), Some(port), Some(channel)) = (server, port, channel) {
            self.nodes.push(MeteredNode { name: name.to_owned(), server, port, channel, line });
        }
    }

    fn error(&mut self, line: usize, text: String) {
        self.errors.push(Remark { line, text });
    }

    fn left_out(&mut self, setting: &Setting) {
        let text = format!("{} has no place in Prony's configuration and is left out", setting.name);
        self.warnings.push(Remark { line: setting.line, text });
    }

    fn warn_of_what_is_there_twice(&mut self) {
        let mut users = HashMap::new();
        for node in &self.nodes {
            let channel = (node.server.as_str(), node.port, node.channel);
            if let Some(other) = users.insert(channel, node.name.as_str()) {
                let (server, port, channel) = channel;
                let text =
                    format!("{} is on the same channel as {other} ({server}:{port}, channel {channel})", node.name);
                self.warnings.push(Remark { line: node.line, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::confuse::parse;
    use super::*;

    fn read(text: &str) -> Metered {
        nodes(&parse(text, &|_| None).unwrap())
    }

    fn texts(remarks: &[Remark]) -> Vec<(usize, &str)> {
        remarks.iter().map(|remark| (remark.line, remark.text.as_str())).collect()
    }

    #[test]
    fn a_node_is_read_with_its_meter() {
        let found = read("node odroidxu4-1 {\n powermeter_server = \"192.0.2.10\"\n channel = 2\n}");
        let node =
            MeteredNode { name: "odroidxu4-1".into(), server: "192.0.2.10".into(), port: 30_000, channel: 2, line: 1 };
        assert_eq!(found, Metered { nodes: vec![node], ..Metered::default() });
    }

    #[test]
    fn every_error_is_told_at_once() {
        let found = read("node {}\nnode a { channel = x\n powermeter_port = 99999 }\nnode b { powermeter_server = h }");
        assert_eq!(
            texts(&found.errors),
            [
                (1, "this node has no name: write `node NAME {`"),
                (2, "channel = x: channels are numbered from 1"),
                (3, "powermeter_port = 99999: has to be from 1 to 65535"),
                (2, "node a has no powermeter_server: add the meter's address"),
                (4, "node b has no channel: add the one that it hangs on"),
            ]
        );
        assert_eq!(texts(&read("# nothing").errors), [(1, "there is no `node NAME { ... }` in this file")]);
        let twice = "node a { powermeter_server = h channel = 1 }\n".repeat(2);
        assert_eq!(texts(&read(&twice).errors), [(2, "there is a node a already: remove one of them")]);
    }

    #[test]
    fn what_is_left_out_or_shared_is_told() {
        let found = read(
            "log = 1\nnode a { powermeter_server = h channel = 1 colour = red }\n\
             node b { powermeter_server = h channel = 1 }",
        );
        assert_eq!(
            texts(&found.warnings),
            [
                (1, "log has no place in Prony's configuration and is left out"),
                (2, "colour has no place in Prony's configuration and is left out"),
                (3, "b is on the same channel as a (h:30000, channel 1)"),
            ]
        );
        assert_eq!(found.nodes.len(), 2);
    }
}
