//! What the keys of `[influxdb]` have to do with each other, and with the window.

use super::problem::Problem;
use super::schema::{Config, InfluxdbConfig, InfluxdbVersion};
use super::tree::Item;

/// What is wrong, if anything.
pub(super) fn error(config: &Config, root: &Item) -> Option<Problem> {
    let influxdb = &config.influxdb;
    let found = |key: &str, problem: String, fix: &str| {
        Some(Problem::new(root.origin_of(&format!("influxdb.{key}")), problem, fix))
    };
    let Some(url) = &influxdb.url else {
        let key = lonely(influxdb)?;
        return found(key, format!("`influxdb.{key}` is given, but no `influxdb.url`"), "say where the database is");
    };
    let Some((is_tls, _)) = host(url) else {
        let problem = format!("`influxdb.url` is \"{url}\"");
        return found("url", problem, "write http:// or https://, a host and a port, as 'http://127.0.0.1:8086'");
    };
    for (key, given, version) in of_one_version(influxdb) {
        if given && version != influxdb.version {
            let [other, this] = [version, influxdb.version].map(u8::from);
            let problem = format!("`influxdb.{key}` is for version {other}, and `influxdb.version` is {this}");
            return found(key, problem, "remove it, or write the other version");
        }
    }
    let needed: &[_] = match influxdb.version {
        InfluxdbVersion::One => &[("database", influxdb.database.is_some())],
        InfluxdbVersion::Two => &[("org", influxdb.org.is_some()), ("bucket", influxdb.bucket.is_some())],
    };
    if let Some((key, _)) = needed.iter().find(|(_, given)| !given) {
        return found(
            "url",
            format!("`influxdb.url` is given, but no `influxdb.{key}`"),
            "say where in it power is written",
        );
    }
    if influxdb.user.is_some() != influxdb.password_file.is_some() {
        let (given, missing) =
            if influxdb.user.is_some() { ("user", "password_file") } else { ("password_file", "user") };
        let problem = format!("`influxdb.{given}` is given, but no `influxdb.{missing}`");
        return found(given, problem, "give both, or neither");
    }
    if influxdb.ca_file.is_some() && !is_tls {
        let problem = "`influxdb.ca_file` is given, but `influxdb.url` begins with http://".to_owned();
        return found("ca_file", problem, "write https://, or remove `influxdb.ca_file`");
    }
    if influxdb.interval < config.activity.window {
        let [interval, window] = [influxdb.interval, config.activity.window].map(humantime::format_duration);
        let problem = format!("`influxdb.interval` is {interval}, and `activity.window` is {window}");
        return found("interval", problem, "write an interval that is no shorter than a window");
    }
    None
}

/// A secret that would cross a network for everybody to read.
pub(super) fn warning(config: &Config, root: &Item) -> Option<Problem> {
    let influxdb = &config.influxdb;
    let key = match (&influxdb.token_file, &influxdb.password_file) {
        (Some(_), _) => "token_file",
        (None, Some(_)) => "password_file",
        (None, None) => return None,
    };
    let url = influxdb.url.as_deref()?;
    let (is_tls, host) = host(url)?;
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    (!is_tls && !is_here).then(|| {
        Problem::new(
            root.origin_of("influxdb.url"),
            format!("`influxdb.url` is {url}: what `influxdb.{key}` holds crosses the network in the clear"),
            "write https://",
        )
    })
}

/// Whether an address is one of TLS, and its host; `None` for what is no address.
fn host(url: &str) -> Option<(bool, &str)> {
    let (is_tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return None,
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "80"),
    };
    let host = host.trim_matches(['[', ']']);
    let good = !host.is_empty() && port.parse::<u16>().is_ok() && !url.contains([' ', '@', '?', '#', '"', '\\']);
    (good && !path.contains("//")).then_some((is_tls, host))
}

fn of_one_version(config: &InfluxdbConfig) -> [(&'static str, bool, InfluxdbVersion); 6] {
    [
        ("database", config.database.is_some(), InfluxdbVersion::One),
        ("user", config.user.is_some(), InfluxdbVersion::One),
        ("password_file", config.password_file.is_some(), InfluxdbVersion::One),
        ("org", config.org.is_some(), InfluxdbVersion::Two),
        ("bucket", config.bucket.is_some(), InfluxdbVersion::Two),
        ("token_file", config.token_file.is_some(), InfluxdbVersion::Two),
    ]
}

fn lonely(config: &InfluxdbConfig) -> Option<&'static str> {
    let given = of_one_version(config).map(|(key, given, _)| (key, given));
    let given = given.into_iter().chain([("ca_file", config.ca_file.is_some())]);
    given.filter(|(_, given)| *given).map(|(key, _)| key).next()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::load_text;

    fn told(keys: &str) -> Vec<String> {
        let text = format!("[influxdb]\n{keys}");
        match load_text(Path::new("prony.toml"), &text, &[], &[]) {
            Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect(),
            Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_does_not_go_together_is_told_with_what_to_write() {
        let here = "url = 'http://127.0.0.1:8086'\n";
        for (keys, expected) in [
            (
                "database = 'power'".into(),
                "`influxdb.database` is given, but no `influxdb.url`: say where the database is",
            ),
            ("url = '127.0.0.1:8086'\ndatabase = 'power'".into(), "write http:// or https://, a host and a port"),
            ("url = 'http://a:b'\ndatabase = 'power'".into(), "write http:// or https://, a host and a port"),
            (here.to_owned(), "no `influxdb.database`: say where in it power is written"),
            (format!("{here}version = 2\norg = 'a'"), "no `influxdb.bucket`"),
            (format!("{here}version = 2\ndatabase = 'a'"), "`influxdb.database` is for version 1"),
            (format!("{here}database = 'a'\ntoken_file = '/t'"), "`influxdb.token_file` is for version 2"),
            (format!("{here}database = 'a'\nuser = 'u'"), "no `influxdb.password_file`: give both"),
            (format!("{here}database = 'a'\nca_file = '/c'"), "write https://, or remove"),
            (format!("{here}database = 'a'\ninterval = '50ms'"), "no shorter than a window"),
            (format!("{here}database = 'a'\nversion = 3"), "write a whole number from 1 to 2"),
            ("url = 'http://db:8086'\nversion = 2\norg = 'a'\nbucket = 'b'\ntoken_file = '/t'".into(), "in the clear"),
        ] {
            let told = told(&keys);
            assert!(matches!(&told[..], [one] if one.contains(expected)), "{keys}: {told:?}");
        }
    }

    #[test]
    fn what_goes_together_is_good() {
        for keys in [
            "url = 'http://localhost:8086/'\ndatabase = 'power'\nuser = 'u'\npassword_file = '/p'",
            "url = 'http://[::1]:8086'\ndatabase = 'power'\nschema = 'both'",
            "url = 'https://db/influx'\nversion = 2\norg = 'a'\nbucket = 'b'\ntoken_file = '/t'\nca_file = '/c'",
        ] {
            assert_eq!(told(keys), Vec::<String>::new(), "{keys}");
        }
    }
}
