//! What waits: for ten minutes all of it, and for longer the newest.

use std::io::Read as _;

use flate2::read::GzDecoder;

use super::super::backlog::{Backlog, Batch};
use crate::config::InfluxdbConfig;

fn text(batch: &Batch) -> String {
    let mut text = String::new();
    GzDecoder::new(&batch.body[..]).read_to_string(&mut text).expect("it is gzip");
    text
}

fn all(backlog: &mut Backlog) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(batch) = backlog.take() {
        let text = text(&batch);
        assert_eq!(text.lines().count() as u64, batch.lines);
        assert!(batch.lines <= 5_000);
        lines.extend(text.lines().map(str::to_owned));
    }
    assert_eq!(backlog.bytes(), 0);
    lines
}

/// A line as the exporter writes it, with a power that compresses as badly as one does.
fn line(target: u64, second: u64) -> String {
    let noise = (target * 1_000_003 + second).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let power = (noise >> 20) as f64 / 1e12;
    format!(
        "power_consumption,formula=prony,k8s_container_name=main,k8s_pod_name=shop-{target:05}-abcde,k8s_pod_namespace=shop,\
         kind=container,scope=cpu,sensor=node-7,socket=0,target=main power={power} {}\n",
        1_700_000_000_000_000_000 + second * 1_000_000_000
    )
}

#[test]
fn ten_minutes_without_a_database_lose_nothing() {
    const TARGETS: u64 = 300;
    let room = InfluxdbConfig::default().buffer_kibibytes << 10;
    let mut backlog = Backlog::new(room);
    for second in 0..600 {
        for target in 0..TARGETS {
            assert_eq!(backlog.push(&line(target, second)), 0);
        }
        // The first batch is tried again all the time.
        let first = backlog.take().expect("there is one");
        assert_eq!(backlog.put_back(first), 0);
    }
    assert!(backlog.bytes() < room / 8, "{} KiB of {} KiB", backlog.bytes() >> 10, room >> 10);
    let expected = (0..600).flat_map(|second| (0..TARGETS).map(move |target| line(target, second)));
    assert!(all(&mut backlog).into_iter().map(|line| line + "\n").eq(expected), "all of it, in its order");
}

#[test]
fn when_there_is_no_more_room_the_oldest_go_and_are_counted() {
    let mut backlog = Backlog::new(64 << 10);
    let (mut pushed, mut gone) = (Vec::new(), 0);
    for second in 0..400 {
        for target in 0..20 {
            pushed.push(line(target, second));
            gone += backlog.push(&pushed[pushed.len() - 1]);
            assert!(backlog.bytes() <= 64 << 10);
        }
    }
    assert!(gone > 0);
    let left = all(&mut backlog);
    assert!(left.len() > 500, "{}", left.len());
    assert_eq!(left.len() as u64 + gone, pushed.len() as u64);
    assert!(left.iter().zip(&pushed[gone as usize..]).all(|(left, pushed)| *left == pushed.trim_end()), "the newest");
}

#[test]
fn a_batch_that_could_not_be_sent_is_the_oldest_when_it_comes_back() {
    let mut backlog = Backlog::new(64 << 10);
    backlog.push("first 1\n");
    let first = backlog.take().expect("there is one");
    assert_eq!(backlog.bytes(), 0);
    backlog.push("second 2\n");
    assert_eq!(backlog.put_back(first), 0);
    assert_eq!(all(&mut backlog), ["first 1", "second 2"]);
}
