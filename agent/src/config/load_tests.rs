use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn errors(text: &str) -> Vec<String> {
    let loaded = load_text(Path::new("prony.toml"), text, &[], &[]);
    loaded.expect_err(text).0.iter().map(ToString::to_string).collect()
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

#[test]
fn nothing_given_is_the_default() {
    let loaded = load_text(Path::new("prony.toml"), "", &[], &[]).unwrap();
    assert_eq!(loaded, Loaded { config: Config::default(), warnings: Vec::new(), files: Vec::new() });
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let text = "[activity]\nwindow = '10ms'\n\n[[source.esp32]]\naddress = '192.0.2.10:30000'\nchannel = 2\nvolt = 5.0\nvolts = 5.0\n";
    assert_eq!(errors(text), ["prony.toml:7: unknown key `source.esp32[0].volt`: did you mean `volts`?"]);
    assert_eq!(errors("[promethius]\n"), ["prony.toml:1: unknown key `promethius`: did you mean `prometheus`?"]);
    assert_eq!(errors("window = '1s'"), ["prony.toml:1: unknown key `window`: did you mean `activity.window`?"]);
    assert_eq!(
        errors("[source.rapl]\nxyz = 1"),
        ["prony.toml:2: unknown key `source.rapl.xyz`: known here: `interface`"]
    );
}

#[test]
fn all_errors_are_reported_with_their_lines() {
    let text = "\
[activity]
window = '0ms'
max_consumers = 'many'
kernel_log = 'wran'

[source]
esp32 = [
  { address = 'meter:30000', channel = 0, volts = -5 },
  { channel = 300 },
]

[[source.meter]]
device = 'a'
channel = 1

[[source.meter]]
device = 'b'
channel = 1
address = '192.0.2.1:1'
listen = '192.0.2.1:1'
zone = 'node-0'

[attribution]
policy = 7
static_power = { 'node-1' = 3.0, node = -1 }

[prometheus]
listen = '0.0.0.0:9191'

[ledger]
ended_retention = 60
";
    let lines: Vec<_> =
        errors(text).iter().map(|error| error.strip_prefix("prony.toml:").unwrap().to_owned()).collect();
    let expected = [
        "2: `activity.window` is \"0ms\": write a duration from '1ms' to '10s', for example '100ms' or '10s'",
        "3: `activity.max_consumers` is \"many\": write a whole number from 256 to 1048576",
        "4: `activity.kernel_log` is \"wran\": write one of 'off', 'error', 'warn', 'info', 'debug', 'trace'; did you mean 'warn'?",
        "8: `source.esp32[0].address` is \"meter:30000\": write an IP address and a port, for example '127.0.0.1:9190'; names are not looked up",
        "8: `source.esp32[0].channel` is 0: write a whole number from 1 to 255",
        "8: `source.esp32[0].volts` is -5: write a number above 0 and up to 60",
        "9: `source.esp32[1].address` is missing: add for example `address = \"192.0.2.10:30000\"`",
        "9: `source.esp32[1].volts` is missing: add for example `volts = 5.0`",
        "9: `source.esp32[1].channel` is 300: write a whole number from 1 to 255",
        "12: `source.meter[0]` has neither `address` nor `listen`: give `address` for a meter that is polled, `listen` for one that pushes",
        "16: `source.meter[1]` has both `address` and `listen`: keep `address` for a meter that is polled, or `listen` for one that pushes",
        "21: `source.meter[1].zone` is \"node-0\": 'node-0' is no zone name: the node has no sockets: write 'node'",
        "24: `attribution.policy` is 7: write one of 'separate', 'proportional', 'equal'",
        "25: `attribution.static_power.node` is -1: write a number from 0 to 100000",
        "25: `attribution.static_power.node-1`: 'node-1' is no zone name: the node has no sockets: write 'node'",
        "28: `prometheus.listen` (0.0.0.0:9191) and `grpc.listen` (127.0.0.1:9191) are the same port: give each a port of its own",
        "31: `ledger.ended_retention` is 60: write a duration from '0s' to '1day', for example '100ms' or '10s'",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_collector_that_cannot_be_reached_is_told() {
    for (text, problem) in [
        ("endpoint = '127.0.0.1:4317'", "write it with http:// or https://"),
        ("endpoint = 'http://127.0.0.1:4317/v1/traces'", "write a host and a port, without a path"),
        ("endpoint = 'http://127.0.0.1:9191'", "spans would go round in a ring"),
        ("endpoint = 'http://127.0.0.1:4317'\nca_file = '/ca.pem'", "write https://, or remove `otlp.ca_file`"),
        ("endpoint = 'http://127.0.0.1:4317'\n[grpc]\nenabled = false", "set `grpc.enabled = true`"),
        ("headers_file = '/headers'", "say where the collector is"),
    ] {
        let errors = errors(&format!("[otlp]\n{text}\n"));
        assert!(errors.len() == 1 && errors[0].contains(problem), "{text}: {errors:?}");
    }
    let good = "[otlp]\nendpoint = 'https://collector:4317/'\nca_file = '/ca.pem'\n";
    assert!(load_text(Path::new("prony.toml"), good, &[], &[]).is_ok());
}

#[test]
fn all_syntax_errors_are_reported_with_their_lines() {
    let errors = errors("[activity]\nwindow = \n[prometheus]\nlisten = 'a'\nlisten = 'b'\n[grpc\n");
    for line in [2, 5, 6] {
        assert!(errors.iter().any(|error| error.starts_with(&format!("prony.toml:{line}: "))), "{line}: {errors:#?}");
    }
}

#[test]
fn each_place_goes_over_those_before_it() {
    let table = [
        // file, environment, flag, in effect
        (None, None, None, 100),
        (Some("20ms"), None, None, 20),
        (None, Some("30ms"), None, 30),
        (Some("20ms"), Some("30ms"), None, 30),
        (None, None, Some("40ms"), 40),
        (Some("20ms"), None, Some("40ms"), 40),
        (Some("20ms"), Some("30ms"), Some("40ms"), 40),
    ];
    for (file, environment, flag, in_effect) in table {
        let text = file.map_or(String::new(), |window| format!("activity.window = '{window}'"));
        let variables: Vec<_> = environment.map(|value| variable("PRONY_ACTIVITY_WINDOW", value)).into_iter().collect();
        let flags: Vec<_> = flag
            .map(|value: &str| Override { key: "activity.window", flag: "--window", value: value.into() })
            .into_iter()
            .collect();
        let loaded = load_text(Path::new("prony.toml"), &text, &variables, &flags).unwrap();
        assert_eq!(
            loaded.config.activity.window,
            Duration::from_millis(in_effect),
            "{file:?} {environment:?} {flag:?}"
        );
    }
}

#[test]
fn every_type_of_key_can_come_from_the_environment() {
    let variables = [
        variable("PRONY_ACTIVITY_MAX_CONSUMERS", "1024"),
        variable("PRONY_PROMETHEUS_LISTEN", "127.0.0.1:1"),
        variable("PRONY_PROMETHEUS_PROCESSES", "false"),
        variable("PRONY_SOURCE_ESTIMATE_TDP", "65"),
        variable("PRONY_SOURCE_RAPL_INTERFACE", "perf"),
        variable("PRONY_NODE_NAME", "7"),
    ];
    let config = load_text(Path::new("prony.toml"), "", &variables, &[]).unwrap().config;
    assert_eq!(config.activity.max_consumers, 1024);
    assert_eq!(config.prometheus.listen, ([127, 0, 0, 1], 1).into());
    assert!(!config.prometheus.processes);
    assert_eq!(config.source.estimate.tdp, Some(crate::units::Watts(65.0)));
    assert_eq!(config.source.rapl.interface, crate::config::RaplInterface::Perf);
    assert_eq!(config.node_name.as_deref(), Some("7"));
}

#[test]
fn errors_say_which_variable_or_flag_they_are_in() {
    let variables = [variable("PRONY_GRPC_BACKLOG", "lots")];
    let flags = [Override { key: "prometheus.listen", flag: "--metrics-listen", value: "9190".into() }];
    let errors = load_text(Path::new("prony.toml"), "", &variables, &flags).unwrap_err().to_string();
    assert!(errors.contains("environment variable PRONY_GRPC_BACKLOG: `grpc.backlog` is \"lots\""), "{errors}");
    assert!(errors.contains("--metrics-listen: `prometheus.listen` is \"9190\""), "{errors}");
    assert!(errors.contains("for example '127.0.0.1:9190'"), "{errors}");
}

#[test]
fn a_variable_of_no_key_is_a_warning_unless_kubernetes_put_it_there() {
    let variables = [
        variable("PRONY_ACTIVITY_WINDOWS", "1s"),
        variable("PRONY_PORT", "tcp://10.0.0.1:9190"),
        variable("PRONY_GRPC_SERVICE_HOST", "10.0.0.1"),
        variable("PRONY_GRPC_SERVICE_PORT_METRICS", "9190"),
        variable("PRONY_PORT_9190_TCP_ADDR", "10.0.0.1"),
        variable("PRONY_CONFIG", "x"),
    ];
    let warnings = load_text(Path::new("prony.toml"), "", &variables, &[]).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].to_string().ends_with("did you mean PRONY_ACTIVITY_WINDOW?"), "{}", warnings[0]);
}

#[test]
fn who_may_come_in_has_to_be_said_as_a_whole() {
    let certificate = "certificate_file = '/c'\nkey_file = '/k'";
    for (text, problem) in [
        ("certificate_file = '/c'", "no `access.key_file`: name the file of the certificate's private key"),
        ("key_file = '/k'", "no `access.certificate_file`: name the file of the listeners' certificate"),
        ("client_ca_file = '/a'", "`access.client_ca_file` is given, but no `access.certificate_file`"),
        ("token_file = '/t'\n[grpc]\nlisten = '0.0.0.0:9191'", "tokens would cross the network in the clear"),
    ] {
        let errors = errors(&format!("[access]\n{text}\n"));
        assert!(errors.len() == 1 && errors[0].contains(problem), "{text}: {errors:?}");
    }
    for good in ["token_file = '/t'".to_owned(), format!("{certificate}\ntoken_file = '/t'\nclient_ca_file = '/a'")] {
        assert!(load_text(Path::new("prony.toml"), &format!("[access]\n{good}\n"), &[], &[]).is_ok(), "{good}");
    }
    let open = format!("[access]\n{certificate}\n[grpc]\nlisten = '0.0.0.0:9191'\n");
    let warned = |text: &str| load_text(Path::new("prony.toml"), text, &[], &[]).unwrap().warnings.len();
    assert_eq!(warned(&open), 1, "TLS alone lets anybody in");
    assert_eq!(warned(&open.replace("[grpc]", "token_file = '/t'\n[grpc]")), 0);
}

#[test]
fn what_is_allowed_but_hardly_meant_is_a_warning() {
    let text = "prometheus.listen = '0.0.0.0:9190'\nattribution.static_power = { 'pakage-0' = 3, VDD = 1 }";
    let warnings = load_text(Path::new("prony.toml"), text, &[], &[]).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(warnings[0].starts_with("prony.toml:1: `prometheus.listen` is 0.0.0.0:9190"), "{}", warnings[0]);
    assert!(warnings[1].ends_with("did you mean `package`?"), "{}", warnings[1]);
}

#[test]
fn the_same_meter_twice_is_refused() {
    let meter = "[[source.esp32]]\naddress = '192.0.2.10:30000'\nchannel = 2\nvolts = 5\n";
    let errors = errors(&format!("{meter}{meter}"));
    assert_eq!(
        errors,
        [
            "prony.toml:5: `source.esp32[1]` has the address and channel of `source.esp32[0]` (prony.toml:1): remove one of them"
        ]
    );
    load_text(Path::new("prony.toml"), &format!("{meter}{}", meter.replace("= 2", "= 3")), &[], &[]).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("prony.toml");
    assert!(load(Some(&missing), "n", &[], &[]).unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(&missing, [b'a', 0xff]).unwrap();
    assert!(load(Some(&missing), "n", &[], &[]).unwrap_err().to_string().contains("UTF-8"));
    std::fs::write(&missing, "node_name = 'n'").unwrap();
    let loaded = load(Some(&missing), "n", &[], &[]).unwrap();
    assert_eq!((loaded.files, loaded.config.node_name), (vec![missing], Some("n".into())));
}

#[test]
fn what_is_special_to_a_node_goes_over_what_is_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prony.toml");
    let meter = "[[source.esp32]]\naddress = '192.0.2.10:30000'\nvolts = 5.0\nchannel = ";
    std::fs::write(&file, format!("{meter}1\n[ledger]\nmax_processes = 7000\n[activity]\nwindow = '1s'\n")).unwrap();
    let nodes = folder.path().join("nodes");
    std::fs::create_dir(&nodes).unwrap();
    std::fs::write(nodes.join("a.toml"), format!("{meter}2\n{meter}3\n[activity]\nmax_consumers = 2048\n")).unwrap();
    std::fs::write(nodes.join("b.toml"), "[activity]\nwindow = 'x'").unwrap();

    let a = load(Some(&file), "a", &[], &[]).unwrap();
    assert_eq!(a.files, [file.clone(), nodes.join("a.toml")]);
    let channels: Vec<u8> = a.config.source.esp32.iter().map(|meter| meter.channel).collect();
    assert_eq!(channels, [2, 3], "lists are replaced");
    assert_eq!((a.config.activity.window, a.config.activity.max_consumers), (Duration::from_secs(1), 2048));

    let others = load(Some(&file), "c", &[], &[]).unwrap();
    assert_eq!((others.files, others.config.source.esp32.len()), (vec![file.clone()], 1));
    let error = load(Some(&file), "b", &[], &[]).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:2: ", nodes.join("b.toml").display())), "{error}");
    let named = load(Some(&file), "a", &[variable("PRONY_NODE_NAME", "c")], &[]).unwrap();
    assert_eq!(named.config.source.esp32.len(), 1, "another name was given");
    assert!(load(Some(&file), "../nodes/b", &[], &[]).is_ok(), "a name is no path");
}

#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let text = "[[source.esp32]]\naddress = '192.0.2.10:30000'\nchannel = 2\nvolts = 5\n[attribution.static_power]\nnode = 3\n";
    let config = load_text(Path::new("prony.toml"), text, &[], &[]).unwrap().config;
    let written = toml::to_string(&config).unwrap();
    assert_eq!(load_text(Path::new("written.toml"), &written, &[], &[]).unwrap().config, config);
}

/// Texts that look like a configuration, so that the checks behind the parser are reached.
fn likely_text() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(crate::config::keys::KEYS);
    let value = prop::sample::select(vec![
        "1",
        "-1",
        "0.5",
        "nan",
        "inf",
        "''",
        "'1ms'",
        "'[::]:0'",
        "true",
        "[]",
        "[{}]",
        "{}",
        "{ a.b = 1 }",
        "1979-05-27",
        "9223372036854775808",
        "'node'",
        "[[[1]]]",
    ]);
    let line = (keys, value).prop_map(|(key, value)| {
        let (section, name) = key.section_and_name();
        let header = match section.strip_suffix("[]") {
            Some(list) => format!("[[{list}]]"),
            None => format!("[{section}]"),
        };
        format!("{header}\n{name} = {value}\n")
    });
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![any::<String>(), "[\\[\\]a-z_.={}'\"0-9\\n# ]{0,200}", likely_text()]) {
        if let Ok(loaded) = load_text(Path::new("prony.toml"), &text, &[], &[]) {
            let written = toml::to_string(&loaded.config).unwrap();
            prop_assert_eq!(load_text(Path::new("written"), &written, &[], &[]).unwrap().config, loaded.config);
        }
    }

    #[test]
    fn no_variable_makes_it_panic(index in 0..crate::config::keys::KEYS.len(), value in any::<String>()) {
        if let Some(name) = crate::config::keys::KEYS[index].variable() {
            let _ = load_text(Path::new("prony.toml"), "", &[(name, value)], &[]);
        }
    }
}
