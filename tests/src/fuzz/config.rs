//! Configurations.

use std::path::Path;

use prony::config::load_text;

/// The text of a file and, behind a NUL, lines of `NAME=value` for the environment.
pub(super) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (file, environment) = text.split_once('\0').unwrap_or((text, ""));
    let variables: Vec<(String, String)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match load_text(Path::new("fuzz.toml"), file, &variables, &[]) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                assert!(!warning.to_string().is_empty());
            }
            let written = toml::to_string(&loaded.config).expect("every configuration can be written");
            let again = load_text(Path::new("again.toml"), &written, &[], &[]);
            assert_eq!(again.map(|again| again.config), Ok(loaded.config), "written as {written}");
        }
        Err(errors) => assert!(!errors.0.is_empty() && !errors.to_string().is_empty()),
    }
}
