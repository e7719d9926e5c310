//! Pages on demand: one is rendered at a time, and scrapes that come at once share what was rendered.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::export::containers::Containers;
use crate::snapshot::{Generation, Snapshot};
use crate::telemetry;

use super::footprint::Footprint;
use super::negotiation::Format;
use super::own_process::OwnProcess;

use super::page::{self, Shown, Surroundings};
use super::usage_ratio::UsageRatio;

/// Makes pages.
#[derive(Debug)]
pub(super) struct Renderer {
    recorder: PrometheusHandle,
    shown: Shown,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    usage_ratio: UsageRatio,
    /// What containers have used, so that their totals do not fall when a cgroup in them loses its line.
    containers: Containers,
    /// The same for pods.
    pods: Containers,
    /// Carbon and cost, where there are factors for them.
    footprint: Option<Footprint>,
    /// The latest page of each format. It lives as long as somebody is sending it, so that nothing is held between
    /// scrapes.
    latest: Vec<(Format, Generation, Weak<Page>)>,
    /// How large the last page was.
    size: usize,
}

/// The bytes of a page, to be shared.
#[derive(Debug)]
struct Page(String);

struct SharedPage(Arc<Page>);

impl AsRef<[u8]> for SharedPage {
    fn as_ref(&self) -> &[u8] {
        self.0.0.as_bytes()
    }
}

impl Renderer {
    /// A renderer that adds `recorder`'s metrics to every page.
    pub(super) fn new(recorder: PrometheusHandle, shown: Shown, footprint: Option<Footprint>) -> Self {
        let state = State {
            usage_ratio: UsageRatio::default(),
            containers: Containers::default(),
            pods: Containers::by_pod(),
            footprint,
            latest: Vec::new(),
            size: 0,
        };
        Self { recorder, shown, state: Mutex::new(state) }
    }

    /// The page of a snapshot. Takes milliseconds with thousands of consumers: not for an async thread.
    pub(super) fn page(&self, snapshot: &Snapshot, format: Format) -> Bytes {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = state.latest.iter().find(|(of, at, _)| *of == format && *at == snapshot.generation);
        if let Some(page) = shared.and_then(|(_, _, page)| page.upgrade()) {
            return Bytes::from_owner(SharedPage(page));
        }
        let page = Arc::new(Page(self.render(&mut state, snapshot, format)));
        state.latest.retain(|(of, ..)| *of != format);
        state.latest.push((format, snapshot.generation, Arc::downgrade(&page)));
        Bytes::from_owner(SharedPage(page))
    }

    fn render(&self, state: &mut State, snapshot: &Snapshot, format: Format) -> String {
        let began = Instant::now();
        if let Some(footprint) = &mut state.footprint {
            footprint.update(snapshot);
        }
        let around = Surroundings {
            containers: &state.containers.update(snapshot, |_, _| true),
            pods: &state.pods.update(snapshot, |_, _| true),
            shown: self.shown,
            usage_ratio: state.usage_ratio.update(snapshot),
            footprint: state.footprint.as_ref(),
            own: OwnProcess::read(),
            telemetry: &self.recorder.render(),
        };
        let page = page::render(snapshot, &around, format, state.size + state.size / 8 + 4096);
        state.size = page.len();
        metrics::gauge!(telemetry::RENDER_SECONDS.name).set(began.elapsed().as_secs_f64());
        page
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::export::prometheus::{parser, sample_books};

    fn renderer(processes: bool, names: bool) -> Renderer {
        Renderer::new(
            PrometheusBuilder::new().build_recorder().handle(),
            Shown { processes, commands: names, exemplars: names, powerapi: false },
            None,
        )
    }

    #[test]
    fn one_window_is_rendered_once_for_each_format_while_it_is_being_sent() {
        let renderer = renderer(true, true);
        let mut books = sample_books::full();
        let first = renderer.page(&books, Format::Text);
        let second = renderer.page(&books, Format::Text);
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_ne!(renderer.page(&books, Format::OpenMetrics), first);
        books.generation.0 += 1;
        assert_ne!(renderer.page(&books, Format::Text).as_ptr(), first.as_ptr());
        assert_eq!(first, second);
    }

    #[test]
    fn processes_are_left_out_where_they_are_not_wanted() {
        let page = renderer(false, true).page(&sample_books::full(), Format::Text);
        let page = parser::parse(std::str::from_utf8(&page).unwrap(), Format::Text).unwrap();
        assert!(page.families.keys().all(|name| !name.starts_with("kepler_process_")));
        assert!(page.samples("prony_other_cpu_seconds_total").iter().all(|sample| sample.label("level") != "process"));
        assert!(page.families.contains_key("kepler_container_cpu_joules_total"));
    }
    #[test]
    fn a_page_for_everybody_names_no_process_and_what_is_left_adds_up() {
        let books = sample_books::full();
        let open_metrics = renderer(false, false).page(&books, Format::OpenMetrics);
        assert!(!std::str::from_utf8(&open_metrics).unwrap().contains(" # {"), "no single invocation");
        let page = renderer(false, false).page(&books, Format::Text);
        let text = std::str::from_utf8(&page).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            for label in ["comm=", "exe=", "pid=", "level=\"command\"", "level=\"process\""] {
                assert!(!line.contains(label), "{line}");
            }
        }
        let page = parser::parse(text, Format::Text).unwrap();
        let joules = |family: &str, labels: &[(&str, &str)]| -> f64 {
            let fits = |sample: &&&parser::Sample| labels.iter().all(|(name, value)| sample.label(name) == *value);
            page.samples(family).iter().filter(fits).map(|sample| sample.value.parse::<f64>().unwrap()).sum()
        };
        let active = [("zone", "package"), ("part", "active")];
        let others = [active[0], active[1], ("level", "cgroup")];
        let parts = joules("prony_cgroup_joules_total", &active) + joules("prony_other_joules_total", &others);
        assert!((parts - joules("prony_zone_joules_total", &active)).abs() < 1e-6);
    }
}
