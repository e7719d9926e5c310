//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{args, message, process};
use crate::cli::top::args::{Granularity, Sort};
use crate::cli::top::screen::{Action, Link, Screen};

fn screen(rows: u32) -> Screen {
    let mut screen = Screen::new(&args(&[]));
    let lines = (0..rows).map(|pid| process(pid, &format!("p{pid:03}"), "/a", 1_000, 1)).collect();
    screen.books.apply(message(1, 0, true, lines));
    screen.link = Link::Following;
    screen.height = 10;
    screen
}

fn press(screen: &mut Screen, keys: &str) -> Action {
    let key = |letter| screen_key(KeyCode::Char(letter));
    keys.chars().map(|letter| screen.press(key(letter))).last().expect("a key")
}

fn screen_key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn kinds_of_lines_are_asked_for_anew_and_only_when_they_change() {
    let mut screen = screen(3);
    assert_eq!(press(&mut screen, "p"), Action::None);
    assert_eq!(press(&mut screen, "c"), Action::Follow(Granularity::Cgroup));
    assert!(screen.rows().is_empty(), "processes are no cgroups");
    assert_eq!(screen.press(screen_key(KeyCode::Tab)), Action::Follow(Granularity::Container));
    screen.link = Link::Refused("no".into());
    assert_eq!(press(&mut screen, "o"), Action::Follow(Granularity::Container), "try again");
}

#[test]
fn sort_zone_and_pause() {
    let mut screen = screen(3);
    press(&mut screen, "nr");
    assert_eq!((screen.sort, screen.reverse), (Sort::Name, true));
    assert_eq!(screen.rows()[0].name, "p002");
    assert_eq!(screen.zone().expect("a zone").label, "package");
    press(&mut screen, "z");
    assert_eq!(screen.zone().expect("a zone").label, "dram");
    press(&mut screen, "z");
    assert_eq!(screen.zone().expect("a zone").label, "package");
    press(&mut screen, " ");
    screen.books.apply(message(1, 1000, true, vec![]));
    assert_eq!(screen.rows().len(), 3, "paused");
    press(&mut screen, " ");
    assert_eq!(screen.rows().len(), 0);
}

#[test]
fn while_a_filter_is_typed_keys_are_letters() {
    let mut screen = screen(30);
    assert_eq!(press(&mut screen, "/p01"), Action::None);
    assert_eq!(screen.rows().len(), 10);
    assert_eq!(press(&mut screen, "q"), Action::None);
    assert_eq!(screen.rows().len(), 0);
    screen.press(screen_key(KeyCode::Backspace));
    screen.press(screen_key(KeyCode::Enter));
    assert_eq!(screen.rows().len(), 10);
    screen.press(screen_key(KeyCode::Esc));
    assert_eq!(screen.rows().len(), 30);
    assert_eq!(press(&mut screen, "q"), Action::Quit);
}

#[test]
fn scrolling_stays_within_the_rows() {
    let mut screen = screen(25);
    for (code, top) in [
        (KeyCode::Up, 0),
        (KeyCode::Down, 1),
        (KeyCode::PageDown, 11),
        (KeyCode::PageDown, 15),
        (KeyCode::Down, 15),
        (KeyCode::PageUp, 5),
        (KeyCode::End, 15),
        (KeyCode::Home, 0),
    ] {
        screen.press(screen_key(code));
        assert_eq!(screen.top, top, "{code:?}");
    }
}

#[test]
fn control_c_quits_even_while_typing() {
    let mut screen = screen(1);
    press(&mut screen, "/");
    assert_eq!(screen.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Action::Quit);
}
