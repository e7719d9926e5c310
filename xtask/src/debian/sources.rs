//! Where the system's apt takes packages from, in both of its formats. The reference is sources.list(5).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// One stanza of deb822 style, or one line of the older style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Archives, each with all of the suites.
    pub uris: Vec<String>,
    /// Suites, such as `bookworm` or `bookworm-security`.
    pub suites: Vec<String>,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// The keys that may sign the archive, as written: a file, fingerprints, or a key over several lines.
    pub signed_by: Option<String>,
    /// Whether the archive is taken without a signature.
    pub trusted: Option<String>,
}

impl Source {
    /// Whether it can be Debian's archive, or a mirror of it: such a source has `main`, and the security archive is
    /// another.
    pub fn may_be_debian_archive(&self) -> bool {
        self.components.iter().any(|component| component == "main")
            && !self.suites.iter().any(|suite| suite.contains("security") || suite.ends_with('/'))
    }

    /// The stanza that takes one suite's `main` from one of the archives, with the same keys.
    pub fn stanza(&self, uri: &str, suite: &str) -> String {
        let mut stanza = format!("Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nTargets: Packages\n");
        for (field, value) in [("Signed-By", &self.signed_by), ("Trusted", &self.trusted)] {
            if let Some(value) = value {
                writeln!(stanza, "{field}: {value}").expect("writing to a string");
            }
        }
        stanza
    }
}

/// Debian's archives that these sources name, with the keys of each: those that are called like Debian's first.
pub fn archives(sources: &[Source]) -> Vec<(&str, &Source)> {
    let mut archives: Vec<(&str, &Source)> = Vec::new();
    for source in sources.iter().filter(|source| source.may_be_debian_archive()) {
        for uri in &source.uris {
            if !archives.iter().any(|(known, _)| known == uri) {
                archives.push((uri, source));
            }
        }
    }
    archives.sort_by_key(|(uri, _)| !uri.trim_end_matches('/').ends_with("/debian"));
    archives
}

/// Every binary source in `sources.list` and `sources.list.d` under `etc_apt` (`/etc/apt`). Files that cannot be read
/// count as empty.
pub fn configured(etc_apt: &Path) -> Vec<Source> {
    let mut sources = parse_one_line(&fs::read_to_string(etc_apt.join("sources.list")).unwrap_or_default());
    let mut files: Vec<_> = fs::read_dir(etc_apt.join("sources.list.d"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => sources.extend(parse_deb822(&text)),
            Some("list") => sources.extend(parse_one_line(&text)),
            _ => {}
        }
    }
    sources
}

/// Reads the format of `.sources` files: stanzas of `Field: value` lines, divided by empty lines.
pub fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(from_fields(&std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((field, value)) = line.split_once(':') {
            fields.push((field.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn from_fields(fields: &[(String, String)]) -> Option<Source> {
    let value = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    let words = |name: &str| words(&value(name).unwrap_or_default());
    let enabled = !matches!(value("enabled").as_deref(), Some("no" | "false" | "0" | "off" | "without" | "disable"));
    (enabled && words("types").iter().any(|kind| kind == "deb")).then(|| Source {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signed_by: value("signed-by"),
        trusted: value("trusted"),
    })
}

/// Reads the format of `sources.list`: `deb [option=value ...] uri suite component ...`.
pub fn parse_one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.starts_with([' ', '\t', '[']).then(|| rest.trim_start())?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let option = |name: &str| {
        let found = words(options).into_iter().find_map(|option| {
            option.split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        })?;
        Some(found.replace(',', " "))
    };
    let mut fields = words(rest).into_iter();
    Some(Source {
        uris: vec![fields.next()?],
        suites: vec![fields.next()?],
        components: fields.collect(),
        signed_by: option("signed-by"),
        trusted: option("trusted"),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn reads_stanzas_with_comments_inside() {
        let sources = parse_deb822(
            "Types: deb deb-src\n# a snapshot\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
             Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\n\
             Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n",
        );
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].uris, ["http://mirror.example/debian"]);
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(sources[0].components, ["main", "contrib"]);
        assert_eq!(sources[0].signed_by.as_deref(), Some("/usr/share/keyrings/debian-archive-keyring.gpg"));
        assert!(sources[0].may_be_debian_archive());
        assert!(!sources[1].may_be_debian_archive(), "the security archive has no other suites");
    }

    #[test]
    fn leaves_out_source_packages_and_what_is_switched_off() {
        assert_eq!(parse_deb822("Types: deb-src\nURIs: http://a/\nSuites: x\nComponents: main\n"), []);
        assert_eq!(parse_deb822("Enabled: no\nTypes: deb\nURIs: http://a/\nSuites: x\nComponents: main\n"), []);
        assert_eq!(parse_one_line("deb-src http://a/debian trixie main\n#deb http://a/debian trixie main\n\n"), []);
    }

    #[test]
    fn keeps_a_key_over_several_lines() {
        let sources = parse_deb822(
            "Types: deb\nURIs: http://a/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN\n .\n key\n",
        );
        assert_eq!(sources[0].signed_by.as_deref(), Some("\n -----BEGIN\n .\n key"));
        let copied = parse_deb822(&sources[0].stanza("http://a/debian", "trixie-backports"));
        assert_eq!(copied[0].signed_by, sources[0].signed_by);
        assert_eq!(copied[0].suites, ["trixie-backports"]);
    }

    #[test]
    fn reads_lines_with_and_without_options() {
        let sources = parse_one_line(
            "deb http://a/debian bookworm main contrib # comment\n\
             deb [ arch=amd64 signed-by=/k/one.gpg,/k/two.gpg ] mirror+file:/etc/mirrors.list trixie main\n\
             deb [trusted=yes] file:/srv/repo ./\n",
        );
        assert_eq!(
            sources[0],
            Source {
                uris: strings(&["http://a/debian"]),
                suites: strings(&["bookworm"]),
                components: strings(&["main", "contrib"]),
                ..Source::default()
            }
        );
        assert_eq!(sources[1].uris, ["mirror+file:/etc/mirrors.list"]);
        assert_eq!(sources[1].signed_by.as_deref(), Some("/k/one.gpg /k/two.gpg"));
        assert_eq!(sources[2].trusted.as_deref(), Some("yes"));
        assert!(!sources[2].may_be_debian_archive());
    }

    #[test]
    fn both_places_are_read() {
        let machine = tempfile::tempdir().unwrap();
        fs::write(machine.path().join("sources.list"), "deb http://a/debian trixie main\n").unwrap();
        let parts = machine.path().join("sources.list.d");
        fs::create_dir(&parts).unwrap();
        fs::write(parts.join("b.sources"), "Types: deb\nURIs: http://b/debian\nSuites: x\nComponents: main\n").unwrap();
        fs::write(parts.join("c.list.disabled"), "deb http://c/debian trixie main\n").unwrap();
        let uris: Vec<_> = configured(machine.path()).into_iter().flat_map(|source| source.uris).collect();
        assert_eq!(uris, ["http://a/debian", "http://b/debian"]);
    }

    #[test]
    fn debians_archive_is_tried_first_and_its_security_archive_never() {
        let sources = parse_one_line(
            "deb http://packages.example/tool stable main\n\
             deb http://mirror.example/debian-security bookworm-security main\n\
             deb http://mirror.example/debian bookworm main\n\
             deb http://mirror.example/debian bookworm-updates main\n",
        );
        let uris: Vec<_> = archives(&sources).into_iter().map(|(uri, _)| uri).collect();
        assert_eq!(uris, ["http://mirror.example/debian", "http://packages.example/tool"]);
    }
}
