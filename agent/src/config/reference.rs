//! The documentation of the keys, written from their list: the commented example and the reference.

use std::fmt::Write;

use super::keys::{Absent, KEYS, Key, SECTIONS};

const WIDTH: usize = 116;

/// A commented file with every key: those that have a default show it, the others an example.
pub fn example() -> String {
    let mut text = String::from(
        "# The configuration of Prony: every key with its default. Lines that begin with '#' and no space are keys\n\
         # and sections; remove the '#' to set one. What is left out has the default shown here.\n\
         # 'prony check-config FILE' says whether a file is good.\n",
    );
    for (section, meaning) in SECTIONS {
        text.push('\n');
        comment(&mut text, meaning);
        let _ = match section.strip_suffix("[]") {
            Some(list) => writeln!(text, "#[[{list}]]"),
            None if section.is_empty() => Ok(()),
            None => writeln!(text, "[{section}]"),
        };
        for key in keys_of(section) {
            let note = match key.absent {
                Absent::Default(_) => "",
                Absent::Unset(_) => " (Not set by default; an example:)",
                Absent::Required(_) => " (Required; an example:)",
            };
            comment(&mut text, &format!("{}{note}", key.meaning));
            let name = if key.section_and_name().1 == "<zone>" { "package-0" } else { key.section_and_name().1 };
            let _ = writeln!(text, "#{name} = {}", key.absent.value());
        }
    }
    text
}

fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section_and_name().0 == section)
}

fn comment(text: &mut String, words: &str) {
    let words = words.replace('`', "'");
    let mut length = usize::MAX;
    for word in words.split_whitespace() {
        if length.saturating_add(word.len()) > WIDTH {
            let separator = if length == usize::MAX { "" } else { "\n" };
            let _ = write!(text, "{separator}#");
            length = 1;
        }
        let _ = write!(text, " {word}");
        length += 1 + word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::{
        AccessConfig, ActivityConfig, AttributionConfig, Config, Counters, Esp32Config, EstimateConfig, EstimateTable,
        FootprintConfig, GrpcConfig, HostConfig, HwmonConfig, HwmonRail, IdentityConfig, InfluxdbConfig,
        InvocationConfig, LedgerConfig, MeterConfig, OtlpConfig, PageConfig, Policy, PrometheusConfig, RaplConfig,
        RaplInterface, SeccompMode, SecurityConfig, SourceConfig, StateConfig, Weights, load_text,
    };
    use crate::units::{Volts, Watts};

    const REWRITE: &str = "PRONY_REGENERATE=1 cargo test -p prony --lib config::reference";

    fn every_source() -> SourceConfig {
        SourceConfig {
            rapl: RaplConfig { interface: RaplInterface::Perf },
            hwmon: HwmonConfig {
                enabled: true,
                interval: std::time::Duration::from_secs(1),
                rail: vec![HwmonRail { chip: "ina3221".into(), channel: "1".into(), zone: "node".into() }],
            },
            esp32: vec![Esp32Config {
                address: ([192, 0, 2, 10], 30_000).into(),
                channel: 2,
                volts: Volts(5.0),
                volts_tolerance: 0.05,
                zone: "node".into(),
            }],
            meter: vec![MeterConfig {
                address: Some(([192, 0, 2, 11], 30_001).into()),
                listen: Some(([192, 0, 2, 1], 30_001).into()),
                device: "rack-3".into(),
                channel: 1,
                key_file: Some("/key".into()),
                volts: Some(Volts(12.0)),
                volts_tolerance: 0.01,
                zone: "psys".into(),
            }],
            estimate: EstimateConfig {
                enabled: Some(true),
                tdp: Some(Watts(65.0)),
                idle_share: Some(0.2),
                profile_file: Some("/power-profile.json".into()),
                table: vec![EstimateTable {
                    cpu_model: Some("EPYC 9R14".into()),
                    zone: "node".into(),
                    points: "0:30 100:300".into(),
                    threads: Some(96),
                    uncertainty: 0.1,
                }],
                boavizta_url: Some("https://192.0.2.1".into()),
                ca_file: Some("/boavizta-ca".into()),
                provider: Some("aws".into()),
                instance_type: Some("m7a.4xlarge".into()),
                ask_metadata: true,
                metadata_url: "http://192.0.2.2".into(),
            },
        }
    }

    /// A configuration in which every key is given. A key that is new in the schema has to be added here.
    fn full() -> Config {
        Config {
            node_name: Some("node-7".into()),
            host: HostConfig { sysfs: "/sys".into(), procfs: "/proc".into(), cgroupfs: Some("/cgroup".into()) },
            activity: ActivityConfig {
                window: std::time::Duration::from_millis(10),
                max_consumers: 1024,
                kernel_log: "warn".into(),
                btf: Some("/btf".into()),
                counters: Counters::Off,
            },
            source: every_source(),
            identity: IdentityConfig {
                function_label: Some("function".into()),
                api_server_url: Some("https://192.0.2.1:6443".into()),
                cri_socket: Some("/run/crio/crio.sock".into()),
                ..IdentityConfig::default()
            },
            attribution: AttributionConfig {
                policy: Policy::Equal,
                weights: Weights::Common,
                profile: Some("/profile.json".into()),
                static_power: [("package-0".to_owned(), Watts(12.5))].into(),
            },
            invocation: InvocationConfig { sockets: true, ..InvocationConfig::default() },
            ledger: LedgerConfig {
                max_processes: 1,
                max_cgroups: 2,
                max_commands: 3,
                max_functions: 5,
                max_ended: 4,
                ended_retention: std::time::Duration::from_secs(5),
            },
            state: StateConfig { directory: Some("/state".into()), pin: Some("/bpf".into()) },
            security: SecurityConfig { seccomp: SeccompMode::Log, drop_capabilities: false },
            prometheus: PrometheusConfig {
                enabled: true,
                listen: ([0, 0, 0, 0], 9190).into(),
                processes: false,
                powerapi: true,
            },
            footprint: FootprintConfig {
                carbon: Some(350.0),
                carbon_file: Some("/carbon.csv".into()),
                price: Some(0.3),
                price_file: Some("/price.csv".into()),
                currency: Some("EUR".into()),
                hold: std::time::Duration::from_mins(1),
            },
            page: PageConfig { enabled: false },
            grpc: GrpcConfig { enabled: true, listen: ([0, 0, 0, 0], 9191).into(), backlog: 3 },
            access: AccessConfig {
                certificate_file: Some("/certificate".into()),
                key_file: Some("/private-key".into()),
                client_ca_file: Some("/client-ca".into()),
                token_file: Some("/tokens".into()),
            },
            otlp: OtlpConfig {
                endpoint: Some("https://192.0.2.1:4317".into()),
                headers_file: Some("/headers".into()),
                ca_file: Some("/ca".into()),
                ..OtlpConfig::default()
            },
            influxdb: InfluxdbConfig {
                url: Some("http://127.0.0.1:8086".into()),
                database: Some("power".into()),
                user: Some("prony".into()),
                password_file: Some("/password".into()),
                org: Some("energy".into()),
                bucket: Some("power".into()),
                token_file: Some("/token".into()),
                ca_file: Some("/ca".into()),
                sensor: Some("node-7".into()),
                ..InfluxdbConfig::default()
            },
        }
    }

    fn paths_of(value: &toml::Value, path: &str, paths: &mut BTreeSet<String>) {
        match value {
            toml::Value::Table(_) if path == "attribution.static_power" => {
                paths.insert(format!("{path}.<zone>"));
            }
            toml::Value::Table(table) => table.iter().for_each(|(name, value)| {
                paths_of(value, &crate::config::tree::join(path, name), paths);
            }),
            toml::Value::Array(array) => array.iter().for_each(|value| paths_of(value, &format!("{path}[]"), paths)),
            _ => {
                paths.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn the_list_of_keys_is_the_schema() {
        let mut schema = BTreeSet::new();
        paths_of(&toml::Value::try_from(full()).unwrap(), "", &mut schema);
        let listed: BTreeSet<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(listed, schema, "config/keys.rs and config/schema.rs do not have the same keys");
        for key in KEYS {
            assert!(SECTIONS.iter().any(|(section, _)| *section == key.section_and_name().0), "{}", key.path);
        }
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let names: Vec<_> = KEYS.iter().filter_map(Key::variable).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn the_example_shows_the_defaults() {
        let defaults = load_text(Path::new("example"), &example(), &[], &[]).unwrap();
        assert_eq!(defaults.config, Config::default());

        let set = KEYS.iter().filter(|key| matches!(key.absent, Absent::Default(_)) && key.variable().is_some());
        let spelled_out: Vec<_> = set.map(|key| format!("{} = {}", key.path, key.absent.value())).collect();
        assert_eq!(
            load_text(Path::new("defaults"), &spelled_out.join("\n"), &[], &[]).unwrap().config,
            Config::default()
        );
    }

    #[test]
    fn every_line_of_the_example_is_good() {
        let text = example();
        let keys = text.lines().filter(|line| !line.starts_with("# "));
        // A meter is polled or it pushes, and a database has one version.
        let others =
            ["#listen = \"192.0.2.1:30001\"", "#org = ", "#bucket = ", "#token_file = \"/etc/prony/influxdb-token\""];
        let keys = keys.filter(|line| others.iter().all(|other| !line.starts_with(other)));
        let keys: Vec<_> = keys.map(|line| line.trim_start_matches('#')).collect();
        let loaded = load_text(Path::new("example"), &keys.join("\n"), &[], &[]).unwrap();
        assert_eq!(loaded.config.source.esp32[0].channel, 2);
        assert_eq!(loaded.config.source.meter[0].zone, "node");
        assert_eq!(loaded.warnings, []);
    }

    #[test]
    fn the_files_in_the_repository_are_current() {
        for (name, text) in [("deploy/prony.toml", example()), ("docs/configuration.md", markdown())] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
            if std::env::var_os("PRONY_REGENERATE").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let current = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(current == text, "{name} is out of date; write it anew with: {REWRITE}");
        }
    }

    fn markdown() -> String {
        let mut text = format!(
            include_str!("reference_intro.md"),
            config_variable = crate::config::CONFIG_VARIABLE,
            default_file = crate::config::DEFAULT_FILE,
        );
        for (section, meaning) in SECTIONS {
            let title = match section.strip_suffix("[]") {
                Some(list) => format!("`[[{list}]]`"),
                None if section.is_empty() => "Top of the file".into(),
                None => format!("`[{section}]`"),
            };
            let _ =
                write!(text, "\n## {title}\n\n{meaning}\n\n| key | takes | default | meaning |\n|---|---|---|---|\n");
            for key in keys_of(section) {
                let absent = match key.absent {
                    Absent::Default(value) => format!("`{value}`"),
                    Absent::Unset(_) => "none".into(),
                    Absent::Required(_) => "required".into(),
                };
                let _ =
                    writeln!(text, "| `{}` | {} | {absent} | {} |", key.section_and_name().1, key.kind, key.meaning);
            }
        }
        text
    }
}
