//! What a whole page says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;

use super::family::described_as;
use super::footprint::Footprint;
use super::negotiation::Format;
use super::own_process::OwnProcess;
use super::page::{Shown, Surroundings, render};
use super::parser::{self, Page};
use super::{sample_books, table};
use crate::activity::Pid;
use crate::config::FootprintConfig;
use crate::export::containers::{ContainerLine, Containers};
use crate::snapshot::{LineState, OtherLine, ProcessLine, Snapshot};
use crate::telemetry::Kind;
use crate::units::Nanoseconds;

const FORMATS: [Format; 2] = [Format::Text, Format::OpenMetrics];

fn own() -> OwnProcess {
    OwnProcess {
        cpu: Nanoseconds(123_456_789),
        resident_bytes: Some(20_971_520),
        virtual_bytes: Some(209_715_200),
        open_fds: Some(12),
        max_fds: Some(1024),
        threads: Some(5),
        started: Some(Nanoseconds(1_700_000_000_250_000_000)),
    }
}

const TELEMETRY: &str = "# HELP prony_problems_total Problems met.\n# TYPE prony_problems_total counter\n\
    prony_problems_total{kind=\"x\",node_name=\"node-1\"} 3\n\n";

fn around<'a>(
    containers: &'a [ContainerLine],
    pods: &'a [ContainerLine],
    footprint: &'a Footprint,
) -> Surroundings<'a> {
    let shown = Shown { processes: true, commands: true, exemplars: true, powerapi: true };
    let footprint = Some(footprint);
    Surroundings { containers, pods, shown, usage_ratio: 0.25, footprint, own: own(), telemetry: TELEMETRY }
}

/// Carbon and cost of books that were empty before.
fn footprint(books: &Snapshot) -> Footprint {
    let config = FootprintConfig {
        carbon: Some(360.0),
        price: Some(0.25),
        currency: Some("EUR".into()),
        ..FootprintConfig::default()
    };
    let mut footprint = Footprint::new(&config).unwrap();
    footprint.update(books);
    footprint
}

fn text(books: &Snapshot, format: Format) -> String {
    let lines = |mut groups: Containers| groups.update(books, |_, _| true);
    let (containers, pods) = (lines(Containers::default()), lines(Containers::by_pod()));
    render(books, &around(&containers, &pods, &footprint(books)), format, 0)
}

fn page(books: &Snapshot, format: Format) -> Page {
    let text = text(books, format);
    parser::parse(&text, format).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_page_is_the_committed_one() {
    for (format, file) in [(Format::Text, "full.txt"), (Format::OpenMetrics, "full.openmetrics")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/prometheus").join(file);
        // The version and the machine's architecture differ between builds.
        let rendered = text(&sample_books::full(), format)
            .lines()
            .filter(|line| !line.contains("_build_info{"))
            .flat_map(|line| [line, "\n"])
            .collect::<String>();
        if std::env::var_os("PRONY_REGENERATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &rendered).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let difference = committed.lines().zip(rendered.lines()).find(|(left, right)| left != right);
        assert!(
            committed == rendered,
            "{file} differs, first at {difference:?}; if that is meant, write it anew with\n    \
             PRONY_REGENERATE=1 cargo test -p prony --lib export::prometheus::page"
        );
    }
}

#[test]
fn every_family_is_in_the_table_and_every_one_in_the_table_is_rendered_as_it_says() {
    for format in FORMATS {
        let page = page(&sample_books::full(), format);
        let mut names: BTreeSet<&str> =
            table::all().map(|family| described_as(family.name, family.kind, format)).collect();
        names.insert(if format == Format::Text { "prony_problems_total" } else { "prony_problems" });
        assert_eq!(page.families.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
        for family in table::all() {
            let name = described_as(family.name, family.kind, format);
            let description = &page.families[name];
            assert_eq!(description.kind.as_deref(), Some(family.kind.label()));
            assert_eq!(description.help.as_deref(), Some(family.help));
            let unit = (format == Format::OpenMetrics && !family.unit.is_empty()).then_some(family.unit);
            assert_eq!(description.unit.as_deref(), unit);
            let suffixes: &[&str] = if family.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
            let samples: BTreeSet<String> = suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)).collect();
            assert_eq!(page.sample_names(name), samples.iter().map(String::as_str).collect());
            for sample in samples.iter().flat_map(|name| page.samples(name)) {
                let mut labels: BTreeSet<&str> = family.labels.iter().copied().chain(["node_name"]).collect();
                if sample.name.ends_with("_bucket") {
                    labels.insert("le");
                }
                assert_eq!(sample.labels.keys().map(String::as_str).collect::<BTreeSet<_>>(), labels);
                assert_eq!(sample.label("node_name"), "node-1");
            }
        }
    }
}

#[test]
fn an_agent_that_knows_nothing_yet_is_valid() {
    for format in FORMATS {
        let page = page(&sample_books::empty(), format);
        assert_eq!(page.sample("kepler_node_cpu_usage_ratio", &[]).value, "0.25");
    }
}

#[test]
fn parts_of_a_zone_add_up_to_what_was_measured() {
    let page = page(&sample_books::full(), Format::Text);
    for measured in page.samples("prony_zone_measured_joules_total") {
        let parts: i128 = page
            .samples("prony_zone_joules_total")
            .iter()
            .filter(|part| measured.labels.iter().all(|(name, value)| part.label(name) == value))
            .map(|part| part.scaled(6))
            .sum();
        assert_eq!(parts, measured.scaled(6), "{measured:?}");
    }
}

#[test]
fn cgroups_and_other_add_up_to_the_zones() {
    let page = page(&sample_books::full(), Format::Text);
    for (zone, part) in
        [("package", "active"), ("package", "idle_shared"), ("dram-estimated", "active"), ("node", "active")]
    {
        let sum = |name: &str, level: &str| -> i128 {
            let wanted = [("zone", zone), ("part", part), ("level", level)];
            let samples = page.samples(name);
            let matching = samples.iter().filter(|it| wanted.iter().all(|(label, value)| it.label(label) == *value));
            matching.map(|sample| sample.scaled(6)).sum()
        };
        let consumers = sum("prony_cgroup_joules_total", "") + sum("prony_other_joules_total", "cgroup");
        assert_eq!(consumers, sum("prony_zone_joules_total", ""), "{zone} {part}");
        let functions = sum("prony_function_joules_total", "")
            + sum("prony_function_pending_joules", "")
            + sum("prony_other_joules_total", "function");
        assert_eq!(functions, sum("prony_zone_joules_total", ""), "functions: {zone} {part}");
    }
}

#[test]
fn kepler_sees_its_own_zones_with_sockets_summed_and_estimates_named_so() {
    let page = page(&sample_books::full(), Format::Text);
    let node = page.sample("kepler_node_cpu_joules_total", &[("zone", "package")]);
    assert_eq!((node.label("path"), &*node.value), ("aggregated-package", "30.500001"));
    for (name, value) in [
        ("kepler_node_cpu_active_joules_total", "17.345678"),
        ("kepler_node_cpu_idle_joules_total", "13.154323"),
        ("kepler_node_cpu_watts", "41"),
        ("kepler_node_cpu_active_watts", "24.5"),
        ("kepler_node_cpu_idle_watts", "16.5"),
    ] {
        assert_eq!(page.sample(name, &[("zone", "package")]).value, value, "{name}");
    }
    let zones: BTreeSet<&str> = page
        .all_samples()
        .iter()
        .filter(|sample| sample.name.starts_with("kepler_"))
        .map(|sample| sample.label("zone"))
        .collect();
    assert_eq!(zones, BTreeSet::from(["", "package", "dram-estimated"]));
}

#[test]
fn a_process_is_charged_both_parts_over_all_sockets() {
    let page = page(&sample_books::full(), Format::Text);
    let labels = [("pid", "4242"), ("zone", "package")];
    assert_eq!(page.sample("kepler_process_cpu_joules_total", &labels).value, "14");
    assert_eq!(page.sample("kepler_process_cpu_watts", &labels).value, "6.5");
    assert_eq!(page.sample("kepler_process_cpu_seconds_total", &[("pid", "4242")]).value, "1.500000001");
    let contained = page.sample("kepler_process_cpu_seconds_total", &[("pid", "18")]);
    assert_eq!(contained.label("type"), "container");
    assert_eq!(contained.label("container_id"), &*sample_books::container().id);
}

#[test]
fn zones_that_kepler_has_not_are_found_under_prony() {
    let page = page(&sample_books::full(), Format::Text);
    let sample = page.sample("prony_process_joules_total", &[("pid", "4242")]);
    assert_eq!((sample.label("zone"), sample.label("part"), &*sample.value), ("node", "active", "12"));
    assert_eq!(page.sample("prony_process_watts", &[("pid", "4242")]).value, "9");
    for name in ["prony_process_joules_total", "prony_process_watts"] {
        assert_eq!(page.samples(name).len(), 1, "Kepler's zones are in Kepler's families");
    }
}

#[test]
fn a_container_is_all_its_cgroups_and_runs_while_one_of_them_does() {
    let page = page(&sample_books::full(), Format::Text);
    let sample = page.sample("kepler_container_cpu_joules_total", &[("zone", "package")]);
    assert_eq!(sample.value, "5.5");
    assert_eq!((sample.label("state"), sample.label("runtime")), ("running", "containerd"));
}

/// pid 4001 has ended and was given to a new process of the same name.
fn reused_pid(states: [LineState; 2]) -> Page {
    let used = |joules: u64| vec![sample_books::energy(0, joules * 1_000_000, 0, 1.0)];
    let first = ProcessLine { state: states[0], ..sample_books::process(4001, 100, "python3", used(50)) };
    let second = ProcessLine {
        state: states[1],
        cpu_time: Nanoseconds::SECOND,
        ..sample_books::process(4001, 900, "python3", used(10))
    };
    let books =
        Snapshot { processes: vec![first, second], other_processes: OtherLine::default(), ..sample_books::full() };
    page(&books, Format::Text)
}

#[test]
fn a_pid_that_is_used_again_gives_no_series_twice() {
    let page = reused_pid([LineState::Terminated, LineState::Running]);
    let joules = |state| page.sample("kepler_process_cpu_joules_total", &[("state", state)]).value.clone();
    assert_eq!((joules("terminated"), joules("running")), ("50".into(), "10".into()));
    assert_eq!(page.sample("kepler_process_cpu_seconds_total", &[]).value, "1");
    let other = page.sample("prony_other_cpu_seconds_total", &[("level", "process")]);
    assert_eq!(other.value, "1.500000001");
}

#[test]
fn what_a_reused_pid_displaces_is_in_other() {
    let page = reused_pid([LineState::Terminated, LineState::Terminated]);
    assert_eq!(page.sample("kepler_process_cpu_joules_total", &[]).value, "10");
    let other = [("level", "process"), ("zone", "package"), ("part", "active")];
    assert_eq!(page.sample("prony_other_joules_total", &other).value, "50");
}

#[test]
fn a_process_that_moved_to_another_cgroup_is_one_series_that_does_not_fall() {
    let moved = |cgroup: u64, energy: u64| {
        let mut line = sample_books::process(5, 100, "sh", vec![sample_books::energy(0, energy, 0, 1.5)]);
        line.consumer.cgroup.0 = cgroup;
        line
    };
    let other = [("level", "process"), ("zone", "package"), ("part", "active")];
    let alone = Snapshot { processes: vec![moved(2, 3_000_000)], ..sample_books::full() };
    let both = Snapshot { processes: vec![moved(1, 1_000_001), moved(2, 3_000_000)], ..alone.clone() };
    let (alone, both) = (page(&alone, Format::OpenMetrics), page(&both, Format::OpenMetrics));
    for page in [&alone, &both] {
        assert_eq!(page.sample("kepler_process_cpu_joules_total", &[]).value, "3");
        assert_eq!(page.sample("kepler_process_cpu_seconds_total", &[]).value, "1.500000001");
    }
    assert_eq!(both.sample("kepler_process_cpu_watts", &[]).value, "3");
    let in_other = |page: &Page| page.sample("prony_other_joules_total", &other).value.parse::<f64>().unwrap();
    assert!((in_other(&both) - in_other(&alone) - 1.000_001).abs() < 1e-9, "the smaller part is not lost");
}

#[test]
fn a_containers_energy_does_not_fall_when_one_of_its_cgroups_loses_its_line() {
    let mut books = sample_books::full();
    let mut containers = Containers::default();
    let mut joules = |books: &Snapshot| {
        let text =
            render(books, &around(&containers.update(books, |_, _| true), &[], &footprint(books)), Format::Text, 0);
        let page = parser::parse(&text, Format::Text).expect("a valid page");
        page.sample("kepler_container_cpu_joules_total", &[("zone", "package")]).scaled(6)
    };
    let before = joules(&books);
    let lost = books.cgroups.iter().position(|line| line.container.is_some()).expect("a container's cgroup");
    books.cgroups.remove(lost);
    assert_eq!(joules(&books), before);
}

#[test]
fn a_crowded_node_is_rendered_whole() {
    let page = page(&sample_books::crowded(500), Format::OpenMetrics);
    assert_eq!(page.samples("kepler_process_cpu_joules_total").len(), 500 * 4);
}

proptest! {
    /// Whatever lines there are, the page is valid, and no process's energy is lost or counted twice.
    #[test]
    fn any_processes_make_a_valid_page(
        lines in prop::collection::vec(
            (0_u32..4, 0_u64..3, 0_usize..3, any::<bool>(), any::<bool>(), 0_u64..1_u64 << 40),
            0..24,
        )
    ) {
        let processes: Vec<ProcessLine> = lines
            .iter()
            .map(|&(pid, start, comm, contained, ended, energy)| {
                let mut line = sample_books::process(pid, start, ["a", "\n", "\\\""][comm], vec![sample_books::energy(0, energy, 0, 1.0)]);
                line.container = contained.then(sample_books::container);
                line.state = if ended { LineState::Terminated } else { LineState::Running };
                line.parent = Pid(0);
                line
            })
            .collect();
        let total: i128 = lines.iter().map(|line| i128::from(line.5)).sum();
        let books = Snapshot { processes, other_processes: OtherLine::default(), ..sample_books::full() };
        let page = page(&books, Format::OpenMetrics);
        let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
        for sample in page.samples("kepler_process_cpu_joules_total") {
            *sums.entry(sample.label("zone")).or_default() += sample.scaled(6);
        }
        for sample in page.samples("prony_other_joules_total") {
            if sample.label("level") == "process" {
                *sums.entry(sample.label("zone")).or_default() += sample.scaled(6);
            }
        }
        prop_assert_eq!(sums.get("package").copied().unwrap_or_default(), total);
    }
}
