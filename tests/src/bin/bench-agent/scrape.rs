//! A scrape of 10,000 consumers.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use prony_tests::{Samples, get};

use crate::measure::{Measured, median};
use crate::sleepers::{Sleepers, until_shown};
use crate::table::Row;

const SCRAPES: usize = 30;
/// Between two scrapes; not a multiple of the window, so that they come at all phases of it.
const PAUSE: Duration = Duration::from_millis(470);

pub(crate) fn measure() -> Result<Vec<Row>> {
    let measured = Measured::start("100ms")?;
    let _sleepers = Sleepers::begin()?;
    let shown = until_shown(&measured.agent)?;

    let mut took = Vec::new();
    let mut rendered = Vec::new();
    let mut closed = Vec::new();
    let mut bytes = 0;
    let missed = || measured.agent.samples()?.value("prony_windows_missed_total", &[]);
    let missed_before = missed()?;
    for _ in 0..SCRAPES {
        thread::sleep(PAUSE);
        let began = Instant::now();
        let page = get(measured.agent.metrics_address(), "/metrics", &[])?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        bytes = page.body.len();
        let samples = Samples::parse(page.text()?)?;
        // Of the scrape before.
        rendered.push(samples.value("prony_scrape_render_seconds", &[])? * 1e3);
        closed.push(samples.value("prony_window_close_seconds", &[])? * 1e3);
    }
    let middle = median(&mut took);
    let all = format!("{:.1} to {:.1}; {bytes} bytes", took[0], took[SCRAPES - 1]);
    Ok(vec![
        Row::new(format!("a scrape of {shown} processes"), middle, "ms").at_most(50.0).remark(all),
        Row::new("of which writing the page", median(&mut rendered), "ms"),
        Row::new("windows missed while scraped", missed()? - missed_before, "windows").at_most(0.0),
        Row::new("longest time from a window's end to its being booked, within a second", median(&mut closed), "ms"),
        measured.memory("resident with 10,000 processes, after scrapes")?,
    ])
}
