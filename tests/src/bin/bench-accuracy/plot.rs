//! The errors as a plot.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// One method's errors, by scenario.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) errors: Vec<f64>,
    /// Whether it is one of Prony's.
    pub(crate) is_ours: bool,
}

const SIZE: (u32, u32) = (960, 520);
/// Percent.
const RANGE: std::ops::Range<f64> = 0.5..5_000.0;
const OURS: [RGBColor; 4] =
    [RGBColor(0, 90, 181), RGBColor(0, 150, 136), RGBColor(120, 200, 60), RGBColor(106, 61, 154)];
const OTHERS: [RGBColor; 5] = [
    RGBColor(230, 97, 0),
    RGBColor(178, 24, 43),
    RGBColor(140, 140, 140),
    RGBColor(194, 165, 20),
    RGBColor(90, 60, 20),
];

/// A row for each scenario, a dot in it for each method, over the error on a logarithmic scale.
pub(crate) fn plot(path: &Path, scenarios: &[String], methods: &[Series]) -> Result<()> {
    draw(path, scenarios, methods).map_err(|error| anyhow!("{} cannot be drawn: {error}", path.display()))
}

fn draw(path: &Path, scenarios: &[String], methods: &[Series]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let rows = scenarios.len() as f64;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(210)
        .build_cartesian_2d(RANGE.log_scale(), rows - 0.5..-0.5)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_desc("mean error of a function's energy over 10 s, %")
        .x_label_formatter(&|value| format!("{value}"))
        .light_line_style(RGBColor(240, 240, 240))
        .draw()?;
    let plane = chart.plotting_area();
    for (row, scenario) in scenarios.iter().enumerate() {
        let (x, y) = plane.map_coordinate(&(RANGE.start, row as f64));
        let style = ("sans-serif", 15).into_font().color(&BLACK);
        root.draw(&Text::new(scenario.clone(), (x - 200, y - 7), style))?;
        plane.draw(&PathElement::new([(RANGE.start, row as f64), (RANGE.end, row as f64)], RGBColor(215, 215, 215)))?;
    }
    let (mut ours, mut others) = (OURS.iter().cycle(), OTHERS.iter().cycle());
    for method in methods {
        let color = *if method.is_ours { ours.next() } else { others.next() }.expect("colors without end");
        let shape = |at: (f64, f64)| {
            let size = if method.is_ours { 6 } else { 4 };
            Circle::new(at, size, color.filled())
        };
        let points = method.errors.iter().enumerate();
        let points = points.map(|(row, error)| ((100.0 * error).clamp(RANGE.start, RANGE.end), row as f64));
        chart
            .draw_series(points.map(shape))?
            .label(method.name.clone())
            .legend(move |(x, y)| Circle::new((x + 8, y), 5, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    root.present()?;
    Ok(())
}
