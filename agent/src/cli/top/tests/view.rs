//! What stands on the screen.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::{args, message, process};
use crate::cli::top::screen::{Link, Screen};
use crate::cli::top::view::{Theme, draw};

fn screen() -> Screen {
    let mut screen = Screen::new(&args(&[]));
    let lines = |factor: u64| {
        (1..=40)
            .map(|pid: u32| {
                let amount = u64::from(pid) * 100_000 * factor;
                process(pid, &format!("worker-{pid}"), "/system.slice/work.service", amount, 10 * factor)
            })
            .collect()
    };
    screen.books.apply(message(1, 0, true, lines(1)));
    screen.books.apply(message(1, 1000, false, lines(2)));
    screen.link = Link::Following;
    screen
}

fn terminal(screen: &mut Screen, width: u16, height: u16, theme: Theme) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a backend in memory");
    terminal.draw(|frame| draw(frame, screen, theme)).expect("a backend in memory");
    terminal
}

fn lines(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
    let terminal = terminal(screen, width, height, Theme::Colour);
    let cells = terminal.backend().buffer().content();
    let line = |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    cells.chunks(usize::from(width)).map(|row| line(row).trim_end().to_owned()).collect()
}

#[test]
fn a_small_terminal_shows_node_zones_rows_and_status() {
    let lines = lines(&mut screen(), 80, 24);
    assert_eq!(lines[0], "prony top  made-up  8 CPUs  by process, zone package, sorted by watts");
    assert_eq!(lines[1], "package-0       12.50 W  ±1.0 %    measured   idle    3.250 W  rapl-perf");
    assert!(lines[3].starts_with("dram-0"));
    assert_eq!(lines[4], "        W         J   CPU %     PID COMMAND           CGROUP");
    assert_eq!(lines[5], "    8.000     16.00     1.0      40 worker-40         /system.slice/work.service");
    assert_eq!(lines[22].split_whitespace().nth(3), Some("23"), "the table fills the space");
    assert!(lines[23].contains("http://127.0.0.1:9191") && lines[23].contains("? help"), "{}", lines[23]);
}

#[test]
fn every_size_can_be_drawn() {
    let mut screen = screen();
    screen.help = true;
    for (width, height) in [(1, 1), (10, 3), (40, 8), (200, 60)] {
        lines(&mut screen, width, height);
    }
    assert!(screen.height > 40, "a larger terminal shows more");
}

#[test]
fn a_lost_agent_is_told_in_the_status_line_and_the_last_picture_stays() {
    let mut screen = screen();
    screen.link = Link::Lost("no agent at http://127.0.0.1:9191/; trying again in 1s".into());
    let lines = lines(&mut screen, 80, 24);
    assert!(lines[23].contains("trying again in 1s"), "{}", lines[23]);
    assert!(lines[5].contains("worker-40"));
}

#[test]
fn without_colours_there_are_none() {
    let colours = |theme| {
        let terminal = terminal(&mut screen(), 80, 24, theme);
        let cells = terminal.backend().buffer().content();
        cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(colours(Theme::Colour));
    assert!(!colours(Theme::Plain));
}

#[test]
fn hostile_names_are_drawn_without_their_control_characters() {
    let mut screen = screen();
    screen.books.apply(message(1, 2000, true, vec![process(1, "a\x1b[2Jb", "/\n", 1, 1)]));
    let lines = lines(&mut screen, 80, 24);
    assert!(lines[5].contains("a\u{fffd}[2Jb"), "{}", lines[5]);
}
