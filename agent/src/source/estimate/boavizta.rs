//! The answer of a Boavizta server about a cloud instance (`GET /v1/cloud/instance?...&verbose=true`), and the power that
//! follows from it.
//!
//! Its `verbose` part describes the host (`CPU-1`: processors, their threads and power by load; `RAM-1`: memory modules and
//! their power) and the instance (`vcpu`, `memory`). `workloads` and `params` are of one processor; `avg_power` is of the
//! instance, at the load that was asked for, and only held against what follows from the parts.

use serde_json::Value;

use crate::clock::UnixSeconds;
use crate::source::{Zone, ZoneName};
use crate::units::{RelativeUncertainty, Watts};

use super::load_points::LoadPoints;
use super::log_curve::LogCurve;
use super::power_curve::PowerCurve;
use super::power_profile::PowerProfile;
use super::tdp_curve::POINTS;
use super::zone_power::ZonePower;

/// The path and query that ask for the answer that is read here.
pub fn request(provider: &str, instance_type: &str) -> String {
    format!("/v1/cloud/instance?provider={}&instance_type={}&verbose=true", escaped(provider), escaped(instance_type))
}

/// The text as a value of a query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// How far power by a processor's TDP may be off: an assumption of ours, as with a TDP that is configured.
const DOUBT: f64 = 0.30;
/// The same where the server has only found something similar.
const FUZZY_DOUBT: f64 = 0.50;
/// How far what the server says in two ways may differ.
const ALIKE: f64 = 0.05;
/// What else a server draws beside processors and memory, as a part of those, where the answer does not say.
const OTHER: [f64; 3] = [0.2, 0.33, 0.6];

/// Why a text is no answer about an instance.
#[derive(Debug, thiserror::Error)]
pub enum NotAnAnswer {
    /// It is no JSON.
    #[error("it is no JSON ({0}): save the server's whole answer")]
    NotJson(String),
    /// The server has not answered the question.
    #[error("the server says: {0}; see its list at /v1/cloud/instance/all_instances?provider=...")]
    Refused(String),
    /// Something is not there.
    #[error(
        "it has no {0}: ask for /v1/cloud/instance?provider=...&instance_type=...&verbose=true, of a current server"
    )]
    Missing(String),
    /// Something makes no sense.
    #[error("its {what} is {value}, which makes no sense")]
    Nonsense {
        /// What.
        what: String,
        /// The value.
        value: String,
    },
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The instance.
    pub instance: Instance,
    /// The name of the host's processor, as far as the server knows it.
    pub cpu_name: Option<String>,
    /// What the server, or the answer itself, gives reason to doubt.
    pub warnings: Vec<String>,
    /// Whether the server has matched a name with something similar.
    fuzzy: bool,
}

/// An instance's part of its host.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The power of one of the host's processors by its load.
    pub processor: LogCurve,
    /// How many processors the host has.
    pub processors: f64,
    /// How many hardware threads all of them have.
    pub host_threads: f64,
    /// How many of these are the instance's.
    pub vcpus: f64,
    /// The host's memory.
    pub modules: Vec<Modules>,
    /// How much of it is the instance's, gigabytes.
    pub memory: f64,
    /// What else the host draws, as a part of what processors and memory do: at least, usually and at most.
    pub other: [f64; 3],
}

/// Memory modules that are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Modules {
    /// How many.
    pub count: f64,
    /// Gigabytes of one.
    pub capacity: f64,
    /// Power of one.
    pub power: Watts,
}

impl Instance {
    /// Power of its part of the processors, at a load in per cent.
    pub fn processor_power(&self, load: f64) -> Watts {
        self.processor_curve().at(load)
    }

    /// Power of its part of the memory.
    pub fn memory_power(&self) -> Watts {
        let power: f64 = self.modules.iter().map(|it| it.count * it.power.0).sum();
        let capacity: f64 = self.modules.iter().map(|it| it.count * it.capacity).sum();
        Watts(power * self.memory / capacity)
    }

    /// Power of all that is the instance's at a load in per cent: at least, usually and at most.
    pub fn power(&self, load: f64) -> [Watts; 3] {
        self.other.map(|other| Watts((self.processor_power(load).0 + self.memory_power().0) * (1.0 + other)))
    }

    fn processor_curve(&self) -> LogCurve {
        self.processor.times(self.processors * self.vcpus / self.host_threads)
    }

    /// Power by zone, where what follows from a processor may be off by `doubt`: of its packages, of their memory and, with
    /// what else the host draws, of the node.
    fn zones(&self, doubt: f64) -> Vec<ZonePower> {
        let [_, usual, most] = self.other;
        let memory = self.memory_power();
        let threads = Some(self.vcpus.round() as usize).filter(|threads| *threads > 0);
        let zone = |name, threads, curve, uncertainty| ZonePower {
            zone: Zone { name, socket: None },
            threads,
            curve,
            uncertainty: RelativeUncertainty(uncertainty),
        };
        let node = self.processor_curve().plus(memory).times(1.0 + usual);
        let other_doubt = (most - usual) / (1.0 + usual);
        vec![
            zone(ZoneName::Package, threads, PowerCurve::Logarithm(self.processor_curve()), doubt),
            zone(ZoneName::Dram, threads, PowerCurve::Points(LoadPoints::constant(memory)), doubt),
            zone(ZoneName::Node, None, PowerCurve::Logarithm(node), doubt.hypot(other_doubt)),
        ]
    }
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is none about an instance; the message says what to ask for.
    pub fn read(text: &str) -> Result<Self, NotAnAnswer> {
        let answer: Value = serde_json::from_str(text).map_err(|error| NotAnAnswer::NotJson(error.to_string()))?;
        if let Some(detail) = answer.get("detail") {
            return Err(NotAnAnswer::Refused(detail.as_str().map_or_else(|| detail.to_string(), str::to_owned)));
        }
        let verbose = answer.get("verbose").ok_or_else(|| NotAnAnswer::Missing("verbose".into()))?;
        let (mut warnings, mut fuzzy) = (Vec::new(), false);
        collect(&answer, "", &mut warnings, &mut fuzzy);
        let cpu = verbose.get("CPU-1").ok_or_else(|| NotAnAnswer::Missing("verbose/CPU-1".into()))?;
        let processors = positive(verbose, "CPU-1/units")?;
        let instance = Instance {
            processor: processor(verbose, &mut warnings)?,
            processors,
            host_threads: positive(verbose, "CPU-1/threads")? * processors,
            vcpus: positive(verbose, "vcpu")?,
            modules: modules(verbose)?,
            memory: positive(verbose, "memory")?,
            other: other(verbose)?,
        };
        let host_memory: f64 = instance.modules.iter().map(|it| it.count * it.capacity).sum();
        for (what, own, host) in [
            ("hardware threads", instance.vcpus, instance.host_threads),
            ("gigabytes of memory", instance.memory, host_memory),
        ] {
            if own > host {
                warnings.push(format!("the instance has {own} {what}, and its host only {host}"));
            }
        }
        warnings.extend(contradiction(verbose, &instance));
        let cpu_name = cpu.pointer("/name/value").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { instance, cpu_name, warnings, fuzzy })
    }

    /// The profile of the instance, which goes by the name `instance` and is from `origin`, as of `made_at`.
    pub fn profile(self, instance: &str, origin: String, made_at: UnixSeconds) -> PowerProfile {
        let zones = self.zones();
        let subject = self.cpu_name.map_or_else(|| instance.to_owned(), |cpu| format!("{instance} on {cpu}"));
        let cpus = self.instance.vcpus.round() as usize;
        PowerProfile { subject, origin, made_at, cpus, warnings: self.warnings, zones }
    }

    fn zones(&self) -> Vec<ZonePower> {
        let zones = self.instance.zones(if self.fuzzy { FUZZY_DOUBT } else { DOUBT });
        zones.into_iter().map(ZonePower::rounded).collect()
    }
}

/// The number of an attribute (`{"value": 2, ...}`), or of one of its bounds.
fn number(verbose: &Value, path: &str, field: &str) -> Option<f64> {
    verbose.pointer(&format!("/{path}/{field}"))?.as_f64().filter(|number| number.is_finite())
}

fn positive(verbose: &Value, path: &str) -> Result<f64, NotAnAnswer> {
    let value = number(verbose, path, "value").ok_or_else(|| NotAnAnswer::Missing(format!("verbose/{path}")))?;
    if value > 0.0 {
        return Ok(value);
    }
    Err(NotAnAnswer::Nonsense { what: format!("verbose/{path}"), value: value.to_string() })
}

/// The power of one processor: by the server's own parameters, where they go with its points; else fitted to its points; else
/// to those of its TDP.
fn processor(verbose: &Value, warnings: &mut Vec<String>) -> Result<LogCurve, NotAnAnswer> {
    let point = |point: &Value| Some((point.get("load_percentage")?.as_f64()?, point.get("power_watt")?.as_f64()?));
    let points = verbose.pointer("/CPU-1/workloads/value").and_then(Value::as_array);
    let points: Option<Vec<_>> = points.map(|points| points.iter().filter_map(point).collect());
    let given = |name: &str| verbose.pointer(&format!("/CPU-1/params/value/{name}")).and_then(Value::as_f64);
    let curve = || Some(LogCurve { a: given("a")?, b: given("b")?, c: given("c")?, d: given("d")? });
    let goes_with = |curve: &LogCurve| {
        let far = |(load, watts): &(f64, f64)| (curve.at(*load).0 - watts).abs() > ALIKE * watts.max(1.0);
        !points.iter().flatten().any(far)
    };
    match curve().filter(LogCurve::is_good) {
        Some(curve) if goes_with(&curve) => return Ok(curve),
        Some(_) => warnings.push("CPU-1's params do not go with its workloads, which are used".into()),
        None => {}
    }
    if let Some(curve) = points.as_deref().and_then(LogCurve::fit).filter(LogCurve::is_good) {
        return Ok(curve);
    }
    let tdp = positive(verbose, "CPU-1/tdp").map_err(|_| NotAnAnswer::Missing("verbose/CPU-1/workloads".into()))?;
    warnings.push(format!("there are no workloads of CPU-1: its power is that of any processor with a TDP of {tdp} W"));
    LogCurve::fit(&POINTS.map(|(load, share)| (load, share * tdp)))
        .ok_or_else(|| NotAnAnswer::Nonsense { what: "verbose/CPU-1/tdp".into(), value: tdp.to_string() })
}

fn modules(verbose: &Value) -> Result<Vec<Modules>, NotAnAnswer> {
    let names = verbose.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| name.starts_with("RAM-"));
    let read = |name: &String| {
        let watts = verbose.pointer(&format!("/{name}/params/value/a")).and_then(Value::as_f64);
        let watts = watts.filter(|watts| *watts >= 0.0 && watts.is_finite());
        Ok(Modules {
            count: positive(verbose, &format!("{name}/units"))?,
            capacity: positive(verbose, &format!("{name}/capacity"))?,
            power: Watts(watts.ok_or_else(|| NotAnAnswer::Missing(format!("verbose/{name}/params")))?),
        })
    };
    let modules = names.map(read).collect::<Result<Vec<_>, _>>()?;
    if modules.is_empty() { Err(NotAnAnswer::Missing("verbose/RAM-1".into())) } else { Ok(modules) }
}

fn other(verbose: &Value) -> Result<[f64; 3], NotAnAnswer> {
    let path = "other_consumption_ratio";
    let Some(usual) = number(verbose, path, "value") else { return Ok(OTHER) };
    let bound = |field| number(verbose, path, field).unwrap_or(usual);
    let all = [bound("min"), usual, bound("max")];
    if all[0] >= 0.0 && all.is_sorted() {
        return Ok(all);
    }
    Err(NotAnAnswer::Nonsense { what: format!("verbose/{path}"), value: format!("{all:?}") })
}

/// What the server says the instance draws on average, where that is not what its parts come to.
fn contradiction(verbose: &Value, instance: &Instance) -> Option<String> {
    let load = verbose.pointer("/CPU-1/time_workload/value")?;
    let power = |load: f64| instance.power(load)[1].0;
    let reckoned = match load {
        Value::Array(parts) => parts
            .iter()
            .map(|part| {
                Some(part.get("time_percentage")?.as_f64()? / 100.0 * power(part.get("load_percentage")?.as_f64()?))
            })
            .sum::<Option<f64>>()?,
        one => power(one.as_f64()?),
    };
    let said = number(verbose, "avg_power", "value")?;
    ((said - reckoned).abs() > ALIKE * said).then(|| {
        format!("the server says that the instance draws {said:.2} W on average, and its parts come to {reckoned:.2} W")
    })
}

/// Every warning and fuzzy match in the answer, but those about how hardware was made.
fn collect(value: &Value, path: &str, warnings: &mut Vec<String>, fuzzy: &mut bool) {
    let Value::Object(fields) = value else { return };
    let mut tell = |warning: String| {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    };
    if fields.get("source").and_then(Value::as_str).is_some_and(|source| source.to_lowercase().contains("fuzzy")) {
        *fuzzy = true;
        let found = fields.get("value").map(Value::to_string).unwrap_or_default();
        tell(format!("{path} is {found} by a fuzzy match: is that what the instance runs on?"));
    }
    for warning in fields.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        *fuzzy |= warning.to_lowercase().contains("fuzzy");
        tell(if path.is_empty() { warning.into() } else { format!("{path}: {warning}") });
    }
    for (name, inner) in fields.iter().filter(|(name, _)| *name != "embedded") {
        let path = if path.is_empty() || path == "verbose" { name.clone() } else { format!("{path}/{name}") };
        collect(inner, &path, warnings, fuzzy);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer in the form of the server's, with the figures of a published one.
    const ANSWER: &str = include_str!("../../../../tests/fixtures/boavizta_m7a_4xlarge.json");

    fn close(one: Watts, other: f64) -> bool {
        (one.0 - other).abs() < 0.005
    }

    /// The answer with the value at a path replaced, or taken out.
    fn changed(path: &str, value: Option<Value>) -> String {
        let mut answer: Value = serde_json::from_str(ANSWER).unwrap();
        if let Some(value) = value {
            *answer.pointer_mut(path).unwrap() = value;
        } else {
            let (parent, name) = path.rsplit_once('/').unwrap();
            answer.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        }
        answer.to_string()
    }

    #[test]
    fn a_published_example_is_reproduced() {
        let answer = Answer::read(ANSWER).unwrap();
        let Answer { instance, cpu_name, warnings, .. } = &answer;
        for (load, watts) in [(0.0, 33.6), (10.0, 89.6), (50.0, 210.0), (100.0, 285.6)] {
            assert!((instance.processor.at(load).0 / watts - 1.0).abs() < 0.01, "{load}");
        }
        assert!(close(instance.processor_power(100.0), 47.64), "{}", instance.processor_power(100.0));
        assert!(close(instance.memory_power(), 18.18), "{}", instance.memory_power());
        let [least, usual, most] = instance.power(100.0);
        assert!(close(usual, 87.54) && close(least, 78.98) && close(most, 105.31), "{least} {usual} {most}");
        assert_eq!(cpu_name.as_deref(), Some("AMD EPYC 9R14"));
        assert_eq!(*warnings, ["CPU-1/name is \"AMD EPYC 9R14\" by a fuzzy match: is that what the instance runs on?"]);
        let profile = answer.clone().profile("aws m7a.4xlarge", "a test".into(), UnixSeconds(7));
        assert_eq!((profile.subject.as_str(), profile.cpus), ("aws m7a.4xlarge on AMD EPYC 9R14", 16));
        assert_eq!(PowerProfile::from_json(&profile.to_json()).unwrap(), profile);
    }

    #[test]
    fn zones_add_up_to_the_node_and_say_how_sure_they_are() {
        let answer = Answer::read(&changed("/verbose/CPU-1/name/source", Some("given".into()))).unwrap();
        assert_eq!(answer.warnings, [""; 0]);
        let zones = answer.zones();
        let at = |name: &str| {
            let found = zones.iter().find(|it| it.zone.to_string() == name).unwrap();
            (found.curve.at(40.0).0, found.uncertainty.0)
        };
        let ((package, sure), (dram, _), (node, unsure)) = (at("package"), at("dram"), at("node"));
        assert!(((package + dram) * 1.33 - node).abs() < 1e-3, "{package} {dram} {node}");
        assert!((sure - 0.30).abs() < 1e-6 && (unsure - 0.362).abs() < 1e-3, "{sure} {unsure}");
        assert!(Answer::read(ANSWER).unwrap().zones()[0].uncertainty.0 > sure, "a fuzzy match is less sure");
    }

    #[test]
    fn parameters_are_used_where_they_go_with_the_points() {
        let params = |a: f64| {
            let value: Value = serde_json::json!({ "value": { "a": a, "b": 0.0618, "c": 20.4527, "d": 0.0 } });
            let answer = Answer::read(&changed("/verbose/CPU-1/params", Some(value))).unwrap();
            (answer.instance.processor, answer.warnings.len())
        };
        assert_eq!(params(142.3792), (LogCurve { a: 142.3792, b: 0.0618, c: 20.4527, d: 0.0 }, 1));
        let (fitted, warnings) = params(300.0);
        assert!((fitted.at(100.0).0 - 285.85).abs() < 0.01 && warnings == 2);
    }

    #[test]
    fn a_tdp_is_enough() {
        let answer = Answer::read(&changed("/verbose/CPU-1/workloads", None)).unwrap();
        assert!((answer.instance.processor.at(100.0).0 - 285.85).abs() < 0.01);
        assert!(answer.warnings.iter().any(|warning| warning.contains("a TDP of 280 W")), "{:?}", answer.warnings);
    }

    #[test]
    fn what_the_server_contradicts_itself_in_is_told() {
        let answer = Answer::read(&changed("/verbose/vcpu/value", Some(32.into()))).unwrap();
        let told = "the server says that the instance draws 87.54 W on average, and its parts come to 150.90 W";
        assert!(answer.warnings.iter().any(|warning| warning == told), "{:?}", answer.warnings);
    }

    #[test]
    fn what_is_no_answer_says_what_to_ask_for() {
        for (text, part) in [
            ("<html>".to_owned(), "no JSON"),
            (r#"{"detail": "m9.huge at aws not found"}"#.to_owned(), "the server says: m9.huge at aws not found"),
            (r#"{"impacts": {}}"#.to_owned(), "verbose=true"),
            (changed("/verbose/vcpu", None), "no verbose/vcpu"),
            (changed("/verbose/CPU-1", None), "no verbose/CPU-1"),
            (changed("/verbose/RAM-1", None), "no verbose/RAM-1"),
            (changed("/verbose/RAM-1/params", None), "no verbose/RAM-1/params"),
            (changed("/verbose/CPU-1/threads/value", Some(0.into())), "verbose/CPU-1/threads is 0"),
            (changed("/verbose/other_consumption_ratio/min", Some(0.5.into())), "[0.5, 0.33, 0.6]"),
        ] {
            let error = Answer::read(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn names_are_asked_for_as_they_are() {
        assert_eq!(
            request("aws", "m7a.4xlarge"),
            "/v1/cloud/instance?provider=aws&instance_type=m7a.4xlarge&verbose=true"
        );
        assert!(request("a&b", "c d/é").ends_with("provider=a%26b&instance_type=c%20d%2F%C3%A9&verbose=true"));
    }

    proptest! {
        /// All instances of a host together draw what the host does.
        #[test]
        fn instances_add_up_to_their_host(
            sizes in prop::collection::vec((1_u32..64, 1_u32..512), 1..20),
            load in 0.0..100.0_f64,
            tdp in 10.0..500.0_f64,
        ) {
            let (threads, memory) = sizes.iter().fold((0, 0), |all, size| (all.0 + size.0, all.1 + size.1));
            let instance = |vcpus: u32, own: u32| Instance {
                processor: LogCurve::fit(&POINTS.map(|(load, share)| (load, share * tdp))).unwrap(),
                processors: 2.0,
                host_threads: f64::from(threads),
                vcpus: f64::from(vcpus),
                modules: vec![Modules { count: f64::from(memory), capacity: 1.0, power: Watts(0.284) }],
                memory: f64::from(own),
                other: OTHER,
            };
            let host = instance(threads, memory).power(load);
            let parts: Vec<_> = sizes.iter().map(|(vcpus, own)| instance(*vcpus, *own).power(load)).collect();
            for (bound, host) in host.iter().enumerate() {
                let sum: f64 = parts.iter().map(|part| part[bound].0).sum();
                prop_assert!((sum / host.0 - 1.0).abs() < 1e-9, "{sum} {host}");
            }
        }
    }
}
