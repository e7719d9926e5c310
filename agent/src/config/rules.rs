//! What no key can be checked for by itself: keys that exclude each other, things given twice, listeners that collide.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use crate::source::{Zone, ZoneName};

use super::influxdb;
use super::kind::nearest;
use super::problem::{Origin, Problem};
use super::schema::{Config, MeterConfig};
use super::tree::{Content, Item};

/// What is wrong with a configuration whose keys are all good by themselves. `root` is the tree that it was made from.
pub(super) fn errors(config: &Config, root: &Item) -> Vec<Problem> {
    let mut problems = Vec::new();
    let meters = root.elements("source.meter");
    for (meter, item) in config.source.meter.iter().zip(meters) {
        problems.extend(way_in(meter, item));
    }
    let esp32 = config.source.esp32.iter().map(|meter| (meter.address, meter.channel));
    twice(esp32, root.elements("source.esp32"), "address and channel", &mut problems);
    let ways = config.source.meter.iter().map(|meter| (meter.address, meter.listen, &meter.device, meter.channel));
    twice(ways, meters, "address, device and channel", &mut problems);
    let rails = config.source.hwmon.rail.iter().map(|rail| (&rail.chip, &rail.channel));
    twice(rails, root.elements("source.hwmon.rail"), "chip and channel", &mut problems);
    let tables = config.source.estimate.table.iter().map(|table| (&table.cpu_model, &table.zone));
    twice(tables, root.elements("source.estimate.table"), "processor and zone", &mut problems);
    problems.extend(same_listener(config, root));
    problems.extend(collector(config, root));
    problems.extend(influxdb::error(config, root));
    problems.extend(pin_without_books(config, root));
    problems.extend(instance_servers(config, root));
    problems.extend(footprint(config, root));
    problems.extend(access(config, root));
    problems.extend(static_zones(root).filter_map(|item| {
        let error = zone_of(item).err()?;
        Some(Problem::new(&item.origin, format!("`{}`: {error}", item.path), ""))
    }));
    problems
}

/// What is allowed and probably not meant.
pub(super) fn warnings(config: &Config, root: &Item) -> Vec<Problem> {
    let open = beyond_loopback(config).filter(|_| !config.access.authenticates()).map(|(key, address)| {
        Problem::new(
            root.origin_of(key),
            format!(
                "`{key}` is {address}: whoever reaches it can read what every container draws; processes and commands are \
                 withheld there"
            ),
            "set `access.client_ca_file` or `access.token_file`, or keep it on 127.0.0.1",
        )
    });
    let well_known: Vec<_> = ZoneName::WELL_KNOWN.iter().map(ToString::to_string).collect();
    let rails = static_zones(root).filter_map(|item| {
        let Ok(Zone { name: ZoneName::Rail(rail), .. }) = zone_of(item) else { return None };
        let own_zones = config.source.hwmon.rail.iter().map(|configured| configured.zone.as_str());
        let meters = config.source.esp32.iter().map(|meter| &meter.zone);
        let meters = meters.chain(config.source.meter.iter().map(|meter| &meter.zone)).map(String::as_str);
        if own_zones.chain(meters).any(|zone| zone == &*rail) {
            return None;
        }
        let name = rail.split('-').next().unwrap_or(&rail);
        let near = nearest(name, well_known.iter().map(String::as_str))?;
        let problem = format!("`{}` is taken for a rail named '{rail}'", item.path);
        Some(Problem::new(&item.origin, problem, format!("did you mean `{near}`?")))
    });
    open.chain(rails).chain(influxdb::warning(config, root)).collect()
}

/// The listeners that can be reached from other machines: the keys of their addresses, and these.
fn beyond_loopback(config: &Config) -> impl Iterator<Item = (&'static str, SocketAddr)> {
    let listeners = [
        ("prometheus.listen", config.prometheus.enabled, config.prometheus.listen),
        ("grpc.listen", config.grpc.enabled, config.grpc.listen),
    ];
    let open = listeners.into_iter().filter(|(_, enabled, address)| *enabled && !address.ip().is_loopback());
    open.map(|(key, _, address)| (key, address))
}

/// Keys of `[access]` that need each other, and tokens that would cross a network in the clear.
fn access(config: &Config, root: &Item) -> Option<Problem> {
    let access = &config.access;
    let (given, missing) = match (&access.certificate_file, &access.key_file) {
        (Some(_), None) => ("certificate_file", "key_file"),
        (None, Some(_)) => ("key_file", "certificate_file"),
        (None, None) if access.client_ca_file.is_some() => ("client_ca_file", "certificate_file"),
        _ => {
            let in_the_clear = access.token_file.is_some() && access.certificate_file.is_none();
            let (key, address) = beyond_loopback(config).find(|_| in_the_clear)?;
            return Some(Problem::new(
                root.origin_of("access.token_file"),
                format!(
                    "`access.token_file` is given without `access.certificate_file`, and `{key}` is {address}: tokens would \
                     cross the network in the clear"
                ),
                "set `access.certificate_file` and `access.key_file`, or listen on 127.0.0.1",
            ));
        }
    };
    let fix = match missing {
        "key_file" => "name the file of the certificate's private key with `access.key_file`",
        _ => "name the file of the listeners' certificate with `access.certificate_file`",
    };
    Some(Problem::new(
        root.origin_of(&format!("access.{given}")),
        format!("`access.{given}` is given, but no `access.{missing}`"),
        fix,
    ))
}

fn way_in(meter: &MeterConfig, item: &Item) -> Option<Problem> {
    let path = &item.path;
    let (problem, fix) = match (meter.address, meter.listen) {
        (None, None) => (
            format!("`{path}` has neither `address` nor `listen`"),
            "give `address` for a meter that is polled, `listen` for one that pushes",
        ),
        (Some(_), Some(_)) => (
            format!("`{path}` has both `address` and `listen`"),
            "keep `address` for a meter that is polled, or `listen` for one that pushes",
        ),
        _ => return None,
    };
    Some(Problem::new(&item.origin, problem, fix))
}

fn twice<K: Eq + Hash>(keys: impl Iterator<Item = K>, items: &[Item], what: &str, problems: &mut Vec<Problem>) {
    let mut first: HashMap<K, &Item> = HashMap::new();
    for (key, item) in keys.zip(items) {
        if let Some(earlier) = first.get(&key) {
            let problem = format!("`{}` has the {what} of `{}` ({})", item.path, earlier.path, earlier.origin);
            problems.push(Problem::new(&item.origin, problem, "remove one of them"));
        } else {
            first.insert(key, item);
        }
    }
}

fn same_listener(config: &Config, root: &Item) -> Option<Problem> {
    let (http, grpc) = (&config.prometheus, &config.grpc);
    if !(http.enabled && grpc.enabled && collide(http.listen, grpc.listen)) {
        return None;
    }
    let origin = match root.origin_of("grpc.listen") {
        Origin::Default => root.origin_of("prometheus.listen"),
        given => given,
    };
    let problem =
        format!("`prometheus.listen` ({}) and `grpc.listen` ({}) are the same port", http.listen, grpc.listen);
    Some(Problem::new(origin, problem, "give each a port of its own"))
}

/// What the kernel has counted while no agent ran is of use only to one that knows what was counted before.
fn pin_without_books(config: &Config, root: &Item) -> Option<Problem> {
    let is_lonely = config.state.pin.is_some() && config.state.directory.is_none();
    is_lonely.then(|| {
        Problem::new(
            root.origin_of("state.pin"),
            "`state.pin` is given, but no `state.directory`",
            "say where the books are kept, as '/var/lib/prony'",
        )
    })
}

/// Who is asked about a cloud instance.
fn instance_servers(config: &Config, root: &Item) -> Option<Problem> {
    let estimate = &config.source.estimate;
    let wrong = |name: &str, url: &str, example: &str| {
        let key = format!("source.estimate.{name}");
        let fix = format!("write it with http:// or https:// and without a path, as '{example}'");
        Problem::new(root.origin_of(&key), format!("`{key}` is \"{url}\""), fix)
    };
    let is_good = |url: &str| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        rest.is_some_and(|rest| {
            !rest.trim_end_matches('/').is_empty() && !rest.trim_end_matches('/').contains(['/', ' ', '@'])
        })
    };
    match &estimate.boavizta_url {
        Some(url) if !is_good(url) => Some(wrong("boavizta_url", url, "https://boavizta.example.com")),
        None if estimate.ask_metadata => Some(Problem::new(
            root.origin_of("source.estimate.ask_metadata"),
            "`source.estimate.ask_metadata` is true, but no `source.estimate.boavizta_url` is given",
            "name the server that is to be asked about the instance",
        )),
        _ if !is_good(&estimate.metadata_url) => {
            Some(wrong("metadata_url", &estimate.metadata_url, "http://169.254.169.254"))
        }
        _ => None,
    }
}

/// A price without a currency.
fn footprint(config: &Config, root: &Item) -> Option<Problem> {
    let footprint = &config.footprint;
    let key = match (&footprint.price, &footprint.price_file) {
        (Some(_), _) => "footprint.price",
        (None, Some(_)) => "footprint.price_file",
        (None, None) => return None,
    };
    footprint.currency.is_none().then(|| {
        let problem = format!("`{key}` is given, but no `footprint.currency`");
        Problem::new(root.origin_of(key), problem, "say what it is in, as 'EUR'")
    })
}

fn collector(config: &Config, root: &Item) -> Option<Problem> {
    let otlp = &config.otlp;
    let Some(endpoint) = &otlp.endpoint else {
        let lonely = [("headers_file", otlp.headers_file.is_some()), ("ca_file", otlp.ca_file.is_some())];
        let (name, _) = lonely.into_iter().find(|(_, given)| *given)?;
        let problem = format!("`otlp.{name}` is given, but no `otlp.endpoint`");
        return Some(Problem::new(root.origin_of(&format!("otlp.{name}")), problem, "say where the collector is"));
    };
    let origin = root.origin_of("otlp.endpoint");
    let (is_tls, rest) = match (endpoint.strip_prefix("http://"), endpoint.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => {
            let problem = format!("`otlp.endpoint` is \"{endpoint}\"");
            return Some(Problem::new(
                origin,
                problem,
                "write it with http:// or https://, as 'http://127.0.0.1:4317'",
            ));
        }
    };
    let address = rest.trim_end_matches('/');
    if address.is_empty() || address.contains(['/', ' ', '@']) {
        let problem = format!("`otlp.endpoint` is \"{endpoint}\"");
        return Some(Problem::new(
            origin,
            problem,
            "write a host and a port, without a path, as 'http://127.0.0.1:4317'",
        ));
    }
    if config.grpc.enabled && address.parse().is_ok_and(|address: SocketAddr| collide(address, config.grpc.listen)) {
        let problem = format!("`otlp.endpoint` ({endpoint}) is the agent's own `grpc.listen`");
        return Some(Problem::new(origin, problem, "say where the collector is: spans would go round in a ring"));
    }
    if !config.grpc.enabled {
        let problem = "`otlp.endpoint` is given, but the gRPC listener that takes spans is off".to_owned();
        return Some(Problem::new(origin, problem, "set `grpc.enabled = true`, or remove `otlp.endpoint`"));
    }
    (!is_tls && otlp.ca_file.is_some()).then(|| {
        let problem = "`otlp.ca_file` is given, but `otlp.endpoint` begins with http://".to_owned();
        Problem::new(origin, problem, "write https://, or remove `otlp.ca_file`")
    })
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (any || one.ip() == other.ip())
}

fn static_zones(root: &Item) -> impl Iterator<Item = &Item> {
    match root.at("attribution.static_power").map(|item| &item.content) {
        Some(Content::Table(items)) => Some(items.values()),
        _ => None,
    }
    .into_iter()
    .flatten()
}

fn zone_of(item: &Item) -> Result<Zone, crate::source::NotAZone> {
    let name = item.path.strip_prefix("attribution.static_power.").unwrap_or(&item.path);
    name.parse()
}
