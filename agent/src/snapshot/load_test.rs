//! Heavy traffic of processes and cgroups over simulated time.

use super::LineState;
use super::test_books::{TestBooks, attribution, consumer, made, named, package, removed, share};
use crate::activity::{CgroupId, ConsumerId, Lifecycle};
use crate::config::LedgerConfig;
use crate::units::{Microjoules, Nanoseconds};

const WINDOW: Nanoseconds = Nanoseconds::from_millis(100);

#[test]
fn five_hundred_cgroups_a_second_made_and_removed_lose_nothing() {
    let config = LedgerConfig::default();
    let mut books = TestBooks::new(&config);
    let (mut measured, mut active) = (0, 0);
    for window in 0..600_u32 {
        let mut events = Vec::new();
        let mut ran = Vec::new();
        for number in 0..50 {
            let id = window * 50 + number + 10;
            let (cgroup, process) = (u64::from(id) + 1_000, consumer(u64::from(id) + 1_000, id));
            events.push(made(cgroup, &format!("/kubepods/pod{id}")));
            events.push(named(process, "function"));
            events.push(Lifecycle::Ended { consumer: process });
            events.push(removed(cgroup));
            ran.push((process, 1_000_000 + u64::from(id)));
        }
        let shares = ran.iter().map(|&(consumer, cpu_time)| share(consumer, cpu_time / 70, 7)).collect();
        let energy = attribution(package(0), books.now, books.now + WINDOW, shares);
        measured += energy.measured.0;
        active += energy.shares.iter().map(|share| share.active.0).sum::<u64>();
        books.window(WINDOW, &ran, &events, &[energy]);
        if window % 150 == 149 {
            let picture = books.picture();
            assert_eq!(picture.zones[0].measured, Microjoules(measured));
            assert_eq!(picture.zones[0].active, Microjoules(active));
            assert!(picture.cgroups.iter().all(|line| line.state == LineState::Terminated));
            assert!(picture.cgroups.iter().all(|line| line.path.starts_with("/kubepods/pod")));
            assert_eq!(picture.cgroups.len(), config.max_ended);
        }
    }
}

/// A thousand processes a second of 1 ms each, beside one that runs all the time; the meter's energy comes a second late.
#[test]
fn a_storm_of_processes_is_billed_to_its_command_and_not_to_the_bystander() {
    let config = LedgerConfig::default();
    let mut books = TestBooks::new(&config);
    let storm_cgroup = CgroupId(50);
    let bystander = consumer(60, 5);
    let mut events = vec![made(50, "/storm"), made(60, "/steady"), named(bystander, "bystander")];
    let mut late = Vec::new();
    let mut pid = 100;
    for _ in 0..150 {
        let mut ran = vec![(bystander, WINDOW.0)];
        for _ in 0..100 {
            let process = consumer(storm_cgroup.0, pid);
            pid += 1;
            events.push(named(process, "burn"));
            events.push(Lifecycle::Ended { consumer: process });
            ran.push((process, 1_000_000));
        }
        late.extend(ran.iter().copied());
        let mut energy = Vec::new();
        if books.now.0 % 1_000_000_000 == 900_000_000 {
            energy.push(late_energy(&books, &mut late));
        }
        books.window(WINDOW, &ran, &events, &energy);
        events.clear();
    }
    let energy = late_energy(&books, &mut late);
    books.window(WINDOW, &[], &[], &[energy]);
    let picture = books.picture();

    let command = picture.commands.iter().find(|line| &*line.comm == "burn").unwrap();
    assert_eq!((&*command.cgroup_path, command.processes), ("/storm", 15_000));
    assert_eq!(command.cpu_time, Nanoseconds(15_000 * 1_000_000));
    assert_eq!(command.energy[0].active, Microjoules(15_000 * 1_000));
    let steady = picture.processes.iter().find(|line| line.consumer == bystander).unwrap();
    assert_eq!(steady.energy[0].active, Microjoules(15 * 1_000_000));
    assert_eq!(picture.processes.len(), 1 + config.max_ended);
    let cgroup = picture.cgroups.iter().find(|line| line.id == storm_cgroup).unwrap();
    assert_eq!(cgroup.energy[0].active, command.energy[0].active);
}

/// One watt for every CPU that ran: 1 ms gives 1,000 µJ.
fn late_energy(books: &TestBooks, late: &mut Vec<(ConsumerId, u64)>) -> crate::attribute::Attribution {
    let mut shares: Vec<crate::attribute::Share> = Vec::new();
    late.sort_unstable();
    for same in late.chunk_by(|left, right| left.0 == right.0) {
        shares.push(share(same[0].0, same.iter().map(|(_, cpu_time)| cpu_time / 1_000).sum(), 0));
    }
    late.clear();
    attribution(package(0), books.now - Nanoseconds::SECOND, books.now, shares)
}
