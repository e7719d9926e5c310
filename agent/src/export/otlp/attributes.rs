//! Attributes: those that are read, and those with an invocation's energy.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};

use crate::invocation::Finished;
use crate::units::Microjoules;

/// What the names of all attributes begin with that are added.
const OURS: [&str; 2] = ["prony.energy.", "prony.cpu."];

/// CPU time: what an invocation says that it has used, if its threads tell, and then what it has.
pub(super) const CPU_SECONDS: &str = "prony.cpu.seconds";

/// The text of an attribute; `None` where it is not there, no text, or empty.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    match &value.value {
        Some(any_value::Value::StringValue(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// The number of an attribute; `None` where it is not there or no number.
pub(super) fn number(attributes: &[KeyValue], key: &str) -> Option<f64> {
    match attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value {
        Some(any_value::Value::DoubleValue(number)) => Some(number),
        Some(any_value::Value::IntValue(number)) => Some(number as f64),
        _ => None,
    }
}

/// An attribute with a text.
pub(super) fn with_text(key: &str, text: &str) -> KeyValue {
    with(key.into(), any_value::Value::StringValue(text.into()))
}

fn with_number(key: String, number: f64) -> KeyValue {
    with(key, any_value::Value::DoubleValue(number))
}

fn with(key: String, value: any_value::Value) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Adds what an invocation used, in place of what may be there of that already. The sockets of a zone are added up; their
/// errors too, since a meter's error is mostly the same on all of them.
pub(super) fn add_energy(attributes: &mut Vec<KeyValue>, finished: &Finished) {
    attributes.retain(|attribute| !OURS.iter().any(|ours| attribute.key.starts_with(ours)));
    attributes.push(with_number(CPU_SECONDS.into(), finished.cpu_time.0 as f64 / 1e9));
    for (index, first) in finished.energy.iter().enumerate() {
        let name = &first.zone.name;
        if finished.energy[..index].iter().any(|before| before.zone.name == *name) {
            continue;
        }
        let sockets = || finished.energy[index..].iter().filter(|used| used.zone.name == *name);
        let energy: Microjoules = sockets().map(|used| used.energy).sum();
        let sigma: f64 = sockets().map(|used| used.sigma).sum();
        let provenance = sockets().map(|used| used.provenance).max().unwrap_or(first.provenance);
        attributes.push(with_number(format!("prony.energy.{name}.joules"), energy.joules()));
        attributes.push(with_number(format!("prony.energy.{name}.uncertainty_joules"), sigma / 1e6));
        attributes.push(with_text(&format!("prony.energy.{name}.provenance"), provenance.label()));
    }
}
