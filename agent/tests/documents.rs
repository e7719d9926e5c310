//! What the documents say can be followed: their links lead somewhere, the commands they show are understood, and every
//! kind of warning is explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn documents() -> Vec<(PathBuf, String)> {
    let in_folder = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
    };
    let mut paths = [in_folder(&root()), in_folder(&root().join("docs"))].concat();
    paths.sort();
    assert!(paths.contains(&root().join("README.md")), "{paths:?}");
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("text"))).collect()
}

/// The lines outside of fenced blocks, and those within them under the name of their block.
fn split(text: &str) -> (String, Vec<(&str, &str)>) {
    let (mut prose, mut code, mut fence) = (String::new(), Vec::new(), None);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), fence) {
            (Some(_), Some(_)) => fence = None,
            (Some(language), None) => fence = Some(language),
            (None, Some(language)) => code.push((language, line)),
            (None, None) => prose.extend([line, "\n"]),
        }
    }
    (prose, code)
}

/// The targets of `[text](target)`.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// A heading's anchor as the usual hosts make it: lower case, dashes for spaces, no other punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|&letter| letter.is_alphanumeric() || " -_".contains(letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_anchor(file: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(file).expect("text");
    let (prose, _) = split(&text);
    prose.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn relative_links_lead_somewhere() {
    let mut followed = 0;
    for (path, text) in documents() {
        let (prose, _) = split(&text);
        for link in links(&prose).filter(|link| !link.contains("://")) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
            assert!(fragment.is_empty() || has_anchor(&target, fragment), "{}: no heading {link}", path.display());
            followed += 1;
        }
    }
    assert!(followed > 10, "{followed}");
}

/// Everything in the documents that is typed into a shell: lines of `sh` blocks, lines of others that begin with a
/// prompt, and code within sentences.
fn shell_lines(text: &str) -> Vec<String> {
    let (prose, code) = split(text);
    let typed = code.into_iter().filter_map(|(language, line)| match line.strip_prefix("$ ") {
        Some(line) => Some(line.to_owned()),
        None => (language == "sh").then(|| line.to_owned()),
    });
    let prose = prose.replace('\n', " ");
    let in_sentences = prose.split('`').skip(1).step_by(2).map(str::to_owned);
    typed.chain(in_sentences).collect()
}

/// The words of a command, up to a comment, a pipe, a redirection or an ampersand.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in line.trim().chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\'' | '"', None) => quote = Some(letter),
            ('#' | '|' | '>' | '&' | ';', None) => break,
            (' ', None) => words.push(String::new()),
            _ => words.last_mut().expect("a word").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether the command line is understood: asking for help at its end makes everything before it be read, and nothing be
/// done.
fn prony(arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prony"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PRONY_")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--help").output().expect("prony starts")
}

/// The commands of xtask, as its own text lists them.
fn xtask_commands() -> BTreeSet<String> {
    let source = fs::read_to_string(root().join("xtask/src/command/mod.rs")).expect("text");
    let usage = source.split("Usage: cargo xtask").nth(1).expect("a usage").split("Examples:").next().expect("a list");
    let indented = usage.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    indented.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

#[test]
fn commands_are_understood() {
    let (mut checked, xtask) = (0, xtask_commands());
    for (path, text) in documents() {
        for line in shell_lines(&text) {
            let mut command = words(&line);
            if command.first().is_some_and(|word| word == "sudo") {
                command.remove(0);
            }
            let arguments = match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["prony", _, ..] => command.split_off(1),
                ["cargo", "xtask", name, ref rest @ ..] => {
                    assert!(xtask.contains(name), "{}: `{line}`: xtask has no {name}", path.display());
                    let rest = rest.iter().skip_while(|word| **word == "--");
                    let rest: Vec<String> = rest.map(ToString::to_string).collect();
                    match (name, rest.first()) {
                        ("run", Some(first)) if first.starts_with('-') => [vec!["run".to_owned()], rest].concat(),
                        ("run", Some(_)) => rest,
                        _ => continue,
                    }
                }
                _ => continue,
            };
            let output = prony(&arguments);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: `{line}`: {errors}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_kind_of_warning_is_explained() {
    let operations = fs::read_to_string(root().join("docs/operations.md")).expect("text");
    let mut kinds = BTreeSet::new();
    for path in sources(&root().join("agent/src")) {
        let source = fs::read_to_string(path).expect("text");
        kinds
            .extend(source.split("Notice::new(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    assert!(kinds.len() > 20, "{kinds:?}");
    let missing: Vec<_> = kinds.iter().filter(|kind| !operations.contains(&format!("`{kind}`"))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not say what these mean: {missing:?}");
}
