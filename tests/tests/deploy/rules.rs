//! The rules, by Prometheus' own tool.

use std::collections::BTreeSet;

use anyhow::{Context as _, Error, Result};
use prony_tests::{needs_server, skip};
use serde_json::Value;

use crate::objects::{deploy, parse, read};

/// The rules of the file, by name.
fn rules() -> Result<Vec<Value>> {
    let groups = parse(&read("prometheus/rules.yaml")?)?[0]["groups"].take();
    let groups = groups.as_array().context("no groups")?;
    Ok(groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
}

/// The names of what is recorded.
pub(crate) fn records() -> Result<Vec<String>> {
    Ok(rules()?.iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())).collect())
}

#[test]
fn the_rules_do_what_their_tests_say() -> Result<()> {
    if let Some(reason) = needs_server("promtool") {
        skip("rules::the_rules_do_what_their_tests_say", &reason);
        return Ok(());
    }
    for (action, file) in [("check", "prometheus/rules.yaml"), ("test", "prometheus/rules_test.yaml")] {
        let mut promtool = xtask::servers::command("promtool").map_err(Error::msg)?;
        let output = promtool.args([action, "rules"]).arg(deploy(file)).output()?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    Ok(())
}

#[test]
fn every_rule_is_tested_and_every_alert_has_its_runbook() -> Result<()> {
    let tests = read("prometheus/rules_test.yaml")?;
    let runbook = std::fs::read_to_string(xtask::workspace::root().join("docs/operations.md"))?;
    let mut names = BTreeSet::new();
    for rule in rules()? {
        let name = rule["record"].as_str().or(rule["alert"].as_str()).context("a rule without a name")?.to_owned();
        if rule["alert"].is_string() {
            assert!(tests.contains(&format!("alertname: {name}\n        exp_alerts:")), "{name} is never seen to fire");
            assert!(tests.contains(&format!("alertname: {name} }}")), "{name} is never seen to be silent");
            assert!(runbook.contains(&format!("### {name}\n")), "docs/operations.md says nothing of {name}");
            let link = rule["annotations"]["runbook_url"].as_str().context("no runbook")?;
            assert_eq!(link, format!("docs/operations.md#{}", name.to_lowercase()));
        } else {
            assert!(tests.contains(&format!("expr: {name}\n")), "{name} is never evaluated");
        }
        assert!(names.insert(name.clone()), "{name} is there twice");
    }
    Ok(())
}
