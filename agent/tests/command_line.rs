//! The commands as a script meets them: exit codes, and what goes to which output.

use std::path::Path;
use std::process::{Command, Output};

fn prony(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prony"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PRONY_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().expect("prony starts")
}

fn file(folder: &Path, text: &str) -> String {
    let file = folder.join("prony.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn wrong_usage_and_wrong_configuration_end_with_2() {
    assert_eq!(prony(&["run", "--no-such-flag"]).status.code(), Some(2));
    let output = prony(&["run", "--window", "0ms", "--grpc-listen", "9191"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("--window: `activity.window`") && errors.contains("--grpc-listen: `grpc.listen`"),
        "{errors}"
    );
    assert_eq!(prony(&["run", "--config", "/nonexistent/prony.toml"]).status.code(), Some(2));
}

#[test]
fn a_good_configuration_is_printed_as_it_is_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), "[activity]\nwindow = '20ms'\n");
    let output = prony(&["check-config", &file]);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    assert!(printed.contains("window = \"20ms\"") && printed.contains("listen = \"127.0.0.1:9190\""), "{printed}");

    let output = prony(&["check-config", "--output", "json", &file]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["config"]["activity"]["window"], "20ms");
}

#[test]
fn a_bad_configuration_is_answered_with_all_errors_and_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), "[activity]\nwindow = '1h'\nwindw = 1\n");
    let output = prony(&["check-config", &file]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    let errors = text(&output.stderr);
    assert!(errors.contains(&format!("{file}:2: ")) && errors.contains(&format!("{file}:3: unknown key")), "{errors}");

    let output = prony(&["check-config", "--output", "json", &file]);
    assert_eq!(output.status.code(), Some(2));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((answer["ok"].as_bool(), answer["errors"].as_array().map(Vec::len)), (Some(false), Some(2)));
    assert!(answer["errors"][1]["fix"].as_str().unwrap().contains("window"), "{answer}");
}

#[test]
fn the_example_is_a_good_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let example = prony(&["check-config", "--example"]);
    let file = file(folder.path(), text(&example.stdout));
    assert_eq!(prony(&["check-config", &file]).status.code(), Some(0));
}

#[test]
fn the_doctor_answers_for_any_roots_and_says_whether_the_agent_can_run() {
    let folder = tempfile::tempdir().unwrap();
    let proc = folder.path().join("proc");
    std::fs::create_dir_all(proc.join("self")).unwrap();
    std::fs::write(proc.join("self/status"), "Uid:\t1\t1\t1\t1\nCapEff:\t0000000000000000\n").unwrap();
    let folder = folder.path().to_str().unwrap();
    let arguments = ["doctor", "--sysfs", folder, "--procfs", proc.to_str().unwrap(), "--run-dir", folder];
    let ports = ["--metrics-listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0"];

    let output = prony(&[&arguments[..], &ports[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], false);
    let bpf = answer["findings"].as_array().unwrap().iter().find(|finding| finding["name"] == "bpf").unwrap();
    assert_eq!((bpf["status"].as_str(), bpf["required"].as_bool()), (Some("missing"), Some(true)));

    let output = prony(&[&arguments[..], &ports[..], &["--ascii"]].concat());
    assert!(output.stdout.is_ascii());
    assert!(text(&output.stdout).contains("none, for want of: bpf"));
}
