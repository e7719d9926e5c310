//! The page's figures against the books that they are from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::export::prometheus::sample_books;
use crate::snapshot::{Generation, Snapshot};
use crate::units::{Microjoules, Nanoseconds};

use super::columns::Columns;
use super::differences::{Differences, Taken};
use super::frame::{Frame, LINES};
use super::history::{Ended, History, Span};
use super::level::Level;
use super::minutes::minute_of;

const SECOND: u64 = Nanoseconds::SECOND.0;
const NODE: usize = 3;

/// Books after so many seconds, in which the node and all its consumers used this much a second.
fn books(seconds: u64, microjoules: u64) -> Snapshot {
    let mut books = sample_books::full();
    for lines in [
        books.processes.iter_mut().map(|line| &mut line.energy).collect::<Vec<_>>(),
        books.cgroups.iter_mut().map(|line| &mut line.energy).collect(),
        books.functions.iter_mut().map(|line| &mut line.energy).collect(),
    ] {
        for line in lines {
            if !line.iter().any(|energy| energy.zone == NODE) {
                line.push(sample_books::energy(NODE, 0, 0, 0.0));
            }
            let node = line.iter_mut().find(|energy| energy.zone == NODE).unwrap();
            node.active.0 += seconds * microjoules;
        }
    }
    let most = books.processes.len().max(books.cgroups.len()).max(books.functions.len()) as u64;
    let node = &mut books.zones[NODE];
    node.active.0 += seconds * microjoules * most;
    node.idle.0 += seconds * 7;
    node.unattributed.0 += seconds * 5;
    node.measured.0 += seconds * (microjoules * most + 12);
    books.generation = Generation(10 * seconds);
    books.since = Some(Generation::default());
    for zone in &mut books.zones {
        zone.until_unix = Nanoseconds(1_700_000_000 * SECOND + seconds * SECOND);
    }
    books
}

fn frame(differences: &mut Differences, books: Snapshot) -> Frame {
    match differences.take(&Arc::new(books)) {
        Taken::Frame(frame) => *frame,
        Taken::TooEarly => panic!("a second is enough"),
    }
}

fn history(seconds: u64) -> History {
    let mut differences = Differences::new(&books(0, 1_000)).unwrap();
    let mut history = History::default();
    for second in 1..=seconds {
        history.add(frame(&mut differences, books(second, 1_000)));
    }
    history
}

#[test]
fn a_frame_is_what_the_books_have_grown_by() {
    let mut differences = Differences::new(&books(0, 1_000)).unwrap();
    let frame = frame(&mut differences, books(2, 1_000));
    let (before, after) = (books(0, 1_000), books(2, 1_000));
    assert_eq!(frame.total(), after.zones[NODE].measured - before.zones[NODE].measured);
    assert_eq!((frame.idle, frame.unattributed), (Microjoules(14), Microjoules(10)));
    assert_eq!((frame.length, frame.generation), (Nanoseconds(2 * SECOND), 20));
    for level in Level::ALL {
        let lines: Microjoules = frame.lines(level).iter().map(|line| line.energy).sum();
        assert_eq!(lines + frame.other(level), frame.consumers, "{level:?}");
    }
    assert_eq!(frame.lines(Level::Process).len(), after.processes.len());
    assert!(frame.lines(Level::Process).iter().all(|line| line.energy == Microjoules(2_000)));
    assert_eq!(frame.lines(Level::Container).len(), 1, "two cgroups in one container");
}

#[test]
fn a_slow_meter_s_frames_wait_for_it() {
    let mut differences = Differences::new(&books(0, 1_000)).unwrap();
    let mut early = books(0, 1_000);
    early.generation = Generation(5);
    assert!(matches!(differences.take(&Arc::new(early)), Taken::TooEarly));
    let frame = frame(&mut differences, books(1, 1_000));
    assert_eq!(frame.lines(Level::Process)[0].energy, Microjoules(1_000));
}

#[test]
fn what_a_function_is_told_late_is_never_more_than_there_was() {
    let mut differences = Differences::new(&books(0, 1_000)).unwrap();
    let mut late = books(1, 1_000);
    let function = &mut late.functions[0].energy;
    function.iter_mut().filter(|energy| energy.zone == NODE).for_each(|energy| energy.active.0 += 1_000_000_000);
    let first = frame(&mut differences, late);
    let told: Microjoules = first.lines(Level::Function).iter().map(|line| line.energy).sum();
    assert!(told <= first.consumers, "{told:?} {:?}", first.consumers);
}

#[test]
fn a_line_that_begins_anew_has_used_what_it_has() {
    let mut differences = Differences::new(&books(9, 1_000)).unwrap();
    let mut anew = books(10, 1_000);
    anew.processes[0]
        .energy
        .iter_mut()
        .for_each(|energy| (energy.active, energy.idle) = (Microjoules(3), Microjoules(0)));
    let id = super::level::Subject::of_process(&anew.processes[0]).id;
    let frame = frame(&mut differences, anew);
    let line = frame.lines(Level::Process).iter().find(|line| line.subject.id == id).unwrap();
    assert_eq!(line.energy, Microjoules(3));
}

#[test]
fn other_zones_are_another_beginning() {
    let differences = Differences::new(&books(0, 1_000)).unwrap();
    let mut fewer = books(1, 1_000);
    assert!(!differences.is_outdated_by(&fewer));
    fewer.zones.truncate(2);
    assert!(differences.is_outdated_by(&fewer));
    assert!(Differences::new(&sample_books::empty()).is_none());
}

#[test]
fn an_hour_is_kept_by_seconds_and_its_minutes_are_their_sums() {
    let history = history(4_000);
    let (seconds, minutes) = (history.frames(Span::Hour)(), history.frames(Span::Day)());
    assert!((3_600..=3_660).contains(&seconds.len()), "{}", seconds.len());
    assert_eq!(history.sequence(), 4_000);
    let sum = |frames: &[Arc<Frame>]| frames.iter().map(|frame| frame.total()).sum::<Microjoules>();
    let whole = books(4_000, 1_000).zones[NODE].measured - books(0, 1_000).zones[NODE].measured;
    assert_eq!(sum(&minutes), whole, "nothing is lost between minutes, nor from the one that runs");
    let lines = |frames: &[Arc<Frame>]| -> Microjoules {
        frames.iter().flat_map(|frame| frame.lines(Level::Process)).map(|line| line.energy).sum()
    };
    let last = &minutes[minutes.len() - 2];
    let of_last: Vec<Arc<Frame>> =
        seconds.iter().filter(|frame| minute_of(frame.end) == minute_of(last.end)).cloned().collect();
    assert_eq!((of_last.len(), sum(&of_last)), (60, last.total()));
    assert_eq!(lines(&of_last), lines(std::slice::from_ref(last)));
    assert!(minutes.iter().all(|minute| minute.lines(Level::Process).len() <= LINES));
}

#[test]
fn who_comes_back_gets_what_he_missed_or_is_told_to_begin_anew() {
    let history = history(4_000);
    let after =
        |sequence| -> Option<Vec<u64>> { Some(history.after(sequence)?.iter().map(|frame| frame.sequence).collect()) };
    assert_eq!(after(3_997), Some(vec![3_998, 3_999, 4_000]));
    assert_eq!(after(2_000), Some((2_001..=4_000).collect()), "across many minutes");
    assert_eq!(after(4_000), Some(Vec::new()));
    for unknown in [0, 10, 4_001, u64::MAX] {
        assert_eq!(after(unknown), None, "{unknown}");
    }
}

#[test]
fn a_history_is_found_again_as_it_was_written() {
    let mut differences = Differences::new(&books(0, 1_000)).unwrap();
    let mut before = History::default();
    let (mut minutes, mut hours) = (BTreeMap::new(), BTreeMap::new());
    let mut write = |ended: Ended| {
        minutes.extend(ended.minute.map(|pack| (pack.number, pack.bytes().to_vec())));
        hours.extend(ended.hour.map(|pack| (pack.number, pack.bytes().to_vec())));
    };
    for second in 1..=3_000 {
        write(before.add(frame(&mut differences, books(second, 1_000))));
    }
    write(before.so_far());
    let after = History::resume(minutes.into_iter().collect(), hours.into_iter().collect());
    assert_eq!(after.sequence(), 3_000);
    for span in [Span::Hour, Span::Day] {
        assert_eq!(after.frames(span)(), before.frames(span)());
    }
    let damaged = History::resume(vec![(1, vec![255; 9]), (2, Vec::new())], Vec::new());
    assert_eq!(damaged.sequence(), 0);
}

#[test]
fn columns_add_up_to_the_total_of_each_frame() {
    let history = history(100);
    let frames = history.frames(Span::Hour)();
    for level in Level::ALL {
        let columns = serde_json::to_value(Columns::new("e", 100, Span::Hour, level, &frames)).unwrap();
        let numbers = |value: &Value| -> Vec<u64> {
            value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
        };
        let mut sums = vec![0; frames.len()];
        let parts = ["other", "idle", "unattributed"].map(|part| numbers(&columns[part]));
        let lines = columns["lines"].as_array().unwrap().iter().map(|line| numbers(&line["microjoules"]));
        for column in parts.into_iter().chain(lines) {
            sums.iter_mut().zip(column).for_each(|(sum, used)| *sum += used);
        }
        assert_eq!(sums, numbers(&columns["total"]), "{level:?}");
        let node = columns["zones"].as_array().unwrap().iter().find(|zone| zone["headline"] == true).unwrap();
        assert_eq!(numbers(&node["microjoules"]), numbers(&columns["total"]));
    }
}
