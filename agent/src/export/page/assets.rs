//! The page's files, which are part of the program.

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("assets/", $name)))),*]
    };
}

/// By name.
const FILES: &[(&str, &str)] = files![
    "address.js",
    "api.js",
    "axes.js",
    "chart.js",
    "chart_drawing.js",
    "chart_pointer.js",
    "choices.js",
    "colours.js",
    "columns.js",
    "connection.js",
    "consumers.js",
    "cost.js",
    "early_theme.js",
    "elements.js",
    "empty_reasons.js",
    "energy_panel.js",
    "event_stream.js",
    "export_csv.js",
    "export_png.js",
    "exports.js",
    "figures.css",
    "follow.js",
    "functions.js",
    "headline.js",
    "help.js",
    "icon.svg",
    "index.html",
    "invocations.js",
    "keys.js",
    "legend.js",
    "level_choice.js",
    "live.js",
    "main.js",
    "names.js",
    "notices.js",
    "page.css",
    "painter.js",
    "parts.js",
    "picked_line.js",
    "poll.js",
    "power_panel.js",
    "reading.js",
    "save_file.js",
    "scene.js",
    "share.js",
    "shown_lines.js",
    "since.js",
    "span_choice.js",
    "store.js",
    "table.js",
    "tables.css",
    "theme.css",
    "theme_switch.js",
    "tip.js",
    "token_form.js",
    "treemap.js",
    "treemap_layout.js",
    "units.js",
    "view.js",
    "zone_figures.js",
];

/// The file of this name.
pub(super) fn find(name: &str) -> Option<Asset> {
    let (_, text) = FILES.iter().find(|(known, _)| *known == name)?;
    let kind = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Some(Asset { kind, text })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_there_and_of_a_known_kind() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/page/assets");
        let mut on_disk: Vec<String> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        on_disk.sort();
        let mut known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(on_disk, known);
        for name in known {
            assert_ne!(find(name).unwrap().kind, "application/octet-stream", "{name}");
        }
        assert!(find("../mod.rs").is_none());
    }

    /// A file that is one of the page's own is what its policy allows, and nothing else.
    #[test]
    fn nothing_is_loaded_from_elsewhere_or_written_into_the_page() {
        for (name, text) in FILES {
            for elsewhere in
                ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!text.replace("http://www.w3.org/", "").contains(elsewhere), "{name} has {elsewhere}");
            }
        }
        let index = find("index.html").unwrap().text;
        assert!(!index.contains("style=\"") && !index.contains("<style") && !index.contains(" onclick="));
    }
}
