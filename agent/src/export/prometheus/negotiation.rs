//! Which of the two text formats a client gets, by its `Accept` header (RFC 9110, section 12.5.1).

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text 0.0.4: the answer to whoever asks for nothing that is offered.
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The media type of an answer.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A short name, for the agent's own telemetry.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::OpenMetrics => "openmetrics",
        }
    }

    const fn media_type(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Text => ("text", "plain", "0.0.4"),
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        }
    }

    /// The format with the higher weight; at equal weights `OpenMetrics` where the client names it, else text.
    pub(super) fn negotiate<'a>(accept: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges: Vec<Range<'_>> =
            accept.into_iter().flat_map(|header| header.split(',')).filter_map(Range::parse).collect();
        let text = Preference::of(Self::Text, &ranges);
        let open_metrics = Preference::of(Self::OpenMetrics, &ranges);
        let better = open_metrics.weight > text.weight
            || (open_metrics.weight == text.weight && open_metrics.specificity >= Specificity::Subtype);
        if open_metrics.weight > 0 && better { Self::OpenMetrics } else { Self::Text }
    }
}

/// How closely a range names a format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    #[default]
    None,
    Anything,
    Type,
    Subtype,
    Version,
}

/// What the ranges say of one format: the most specific range counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    specificity: Specificity,
    weight: u16,
}

impl Preference {
    fn of(format: Format, ranges: &[Range<'_>]) -> Self {
        ranges
            .iter()
            .filter_map(|range| Some(Self { specificity: range.matches(format)?, weight: range.weight }))
            .max()
            .unwrap_or_default()
    }
}

/// One element of an `Accept` header.
#[derive(Debug)]
struct Range<'a> {
    media_type: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(element: &'a str) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        let (media_type, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { media_type, subtype, version: None, weight: 1000 };
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("q") => range.weight = weight(value)?,
                name if name.eq_ignore_ascii_case("version") => range.version = Some(value),
                _ => {}
            }
        }
        Some(range)
    }

    fn matches(&self, format: Format) -> Option<Specificity> {
        let (media_type, subtype, version) = format.media_type();
        if self.media_type == "*" {
            return (self.subtype == "*").then_some(Specificity::Anything);
        }
        if !self.media_type.eq_ignore_ascii_case(media_type) {
            return None;
        }
        if self.subtype == "*" {
            return Some(Specificity::Type);
        }
        if !self.subtype.eq_ignore_ascii_case(subtype) {
            return None;
        }
        match self.version {
            None => Some(Specificity::Subtype),
            Some(wanted) => (wanted == version).then_some(Specificity::Version),
        }
    }
}

/// A weight from 0 to 1 in thousandths; `None` for what is none.
fn weight(text: &str) -> Option<u16> {
    let value: f64 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_WITH_PROTOBUF: &str = "application/vnd.google.protobuf;\
        proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
        application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
    const PROMETHEUS_2_20: &str =
        "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const FIREFOX: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn every_client_gets_what_it_prefers() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            (FIREFOX, Format::Text),
            (PROMETHEUS_3, Format::OpenMetrics),
            (PROMETHEUS_WITH_PROTOBUF, Format::OpenMetrics),
            (PROMETHEUS_2_20, Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("application/openmetrics-text;version=\"1.0.0\"", Format::OpenMetrics),
            ("application/openmetrics-text; version=2.0.0", Format::Text),
            ("text/plain, application/openmetrics-text", Format::OpenMetrics),
            ("text/plain, application/openmetrics-text;q=0.9", Format::Text),
            ("text/plain;q=0.5, application/openmetrics-text;q=0.501", Format::OpenMetrics),
            ("application/openmetrics-text;q=0, */*", Format::Text),
            ("text/plain;q=0, */*;q=0.1", Format::OpenMetrics),
            ("text/*;q=0.2, application/*;q=0.3", Format::OpenMetrics),
            ("application/json", Format::Text),
            ("application/openmetrics-text;q=2", Format::Text),
            ("application/openmetrics-text;q=NaN", Format::Text),
            (";;,,/,q=1;=", Format::Text),
        ] {
            assert_eq!(Format::negotiate([accept]), expected, "{accept}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        assert_eq!(Format::negotiate(["text/plain;q=0.1", "application/openmetrics-text"]), Format::OpenMetrics);
        assert_eq!(Format::negotiate([]), Format::Text);
    }
}
