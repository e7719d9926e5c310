//! The page with 10,000 consumers, looked at in Chromium.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prony_tests::{Browser, needs_browser};

use crate::measure::Measured;
use crate::sleepers::{Sleepers, until_shown};
use crate::table::Row;

const WINDOW: (u32, u32) = (1600, 1200);
/// Two streams end within it, which is when the browser says how long they were.
const LOOKED_FOR: Duration = Duration::from_mins(1);

pub(crate) fn measure() -> Result<Vec<Row>> {
    if let Some(reason) = needs_browser() {
        eprintln!("not measured: {reason}");
        return Ok(Vec::new());
    }
    let measured = Measured::start("100ms")?;
    let _sleepers = Sleepers::begin()?;
    let shown = until_shown(&measured.agent)?;
    let unseen = measured.cpu("CPU with 10,000 processes, nobody looking")?;

    let browser = Browser::start(WINDOW)?;
    browser.go(&format!("http://{}/#level=process", measured.agent.metrics_address()))?;
    browser.until("it is live", "return document.body.dataset.connection === 'live'")?;
    browser.until(
        "the table of consumers",
        "document.querySelector('#consumers-panel').scrollIntoView();\
         return document.querySelector('#consumers [data-line-id]') !== null",
    )?;
    browser.run(
        "performance.setResourceTimingBufferSize(10000); performance.clearResourceTimings();\
         performance.clearMeasures('prony-draw'); window.draws = [];\
         new PerformanceObserver(list => window.draws.push(...list.getEntriesByName('prony-draw').map(it => it.duration)))\
         .observe({entryTypes: ['measure']})",
    )?;
    thread::sleep(LOOKED_FOR);
    let number = |script: &str| -> Result<f64> { browser.run(script)?.as_f64().context("a number") };
    let bytes =
        number("return performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)")?;
    let longest = number("return Math.max(...window.draws)")?;
    let draws = number("return window.draws.length")?;
    let seen = measured.cpu("CPU with 10,000 processes, one looking at all of them")?;
    let share = seen.measured() - unseen.measured();
    Ok(vec![
        Row::new(format!("traffic of the page, {shown} processes"), bytes / 1e3 / LOOKED_FOR.as_secs_f64(), "kB/s")
            .at_most(100.0),
        Row::new("longest frame", longest, "ms").at_most(50.0).remark(format!("of {draws}")),
        unseen,
        seen,
        Row::new("what the page costs the agent", share, "% of a core").at_most(1.0),
    ])
}
