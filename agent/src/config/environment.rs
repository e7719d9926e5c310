//! Values from the environment: `PRONY_` and the key's path in capitals, its parts joined by underscores.

use super::keys::KEYS;
use super::kind::nearest;
use super::problem::{Origin, Problem};
use super::tree::Item;

/// What the names of all variables begin with.
pub(super) const PREFIX: &str = "PRONY_";

/// The variable that names the configuration file, which is no key.
pub const CONFIG_VARIABLE: &str = "PRONY_CONFIG";

/// The variables of this process that may concern the configuration.
pub fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Lays the variables over the tree. Those that belong to no key are not refused, for anybody may put a variable
/// there, but returned as warnings.
pub(super) fn overlay(root: &mut Item, variables: &[(String, String)]) -> Vec<Problem> {
    let known: Vec<_> = KEYS.iter().filter_map(|key| Some((key.variable()?, key))).collect();
    let mut warnings = Vec::new();
    for (name, text) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let origin = Origin::Environment(name.clone());
        match known.iter().find(|(variable, _)| variable == name) {
            Some((_, key)) => root.set(key.path, key.kind.value_of(text), &origin),
            None if name == CONFIG_VARIABLE || is_service_link(name) => {}
            None => {
                let fix = match nearest(name, known.iter().map(|(variable, _)| variable.as_str())) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "unset it; keys in lists are set in the file only".into(),
                };
                warnings.push(Problem::new(&origin, "belongs to no key and is ignored", fix));
            }
        }
    }
    warnings
}

/// Whether Kubernetes has put the variable there for a Service whose name begins with `prony`
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(name: &str) -> bool {
    let port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    name.ends_with("_SERVICE_HOST")
        || name.rsplit_once("_SERVICE_PORT").is_some_and(|(_, rest)| port(rest))
        || name.rsplit_once("_PORT").is_some_and(|(_, rest)| rest.is_empty())
        || name.split_once("_PORT_").is_some_and(|(_, rest)| rest.contains("_TCP") || rest.contains("_UDP"))
}
