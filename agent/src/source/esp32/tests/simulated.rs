//! Ten minutes with a simulated meter on a bad network.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cli::meter_sim::{BoardSettings, Impairments, PowerTrace, Protocol, Settings, Simulator};
use crate::clock::Timestamp;
use crate::source::metering::Outcome;
use crate::source::metering::books::Books;
use crate::units::{Microjoules, MilliampereSeconds, Nanoseconds, Volts};

use super::super::wire::{decode, encode_request};
use super::super::{Action, Change, Heard, Subscription};
use super::state::state;

const VOLTS: Volts = Volts(5.0);
const STEP: Nanoseconds = Nanoseconds::from_millis(10);
const TEN_MINUTES: Nanoseconds = Nanoseconds::from_millis(600_000);
/// The host's clock when the meter boots: not zero, and of no round figure.
const HOST_START: Timestamp = Timestamp(8_123_456_789_012);

fn settings(seed: u64) -> Settings {
    Settings {
        protocol: Protocol::V1,
        board: BoardSettings { channels: 6, volts: VOLTS, noise: 0.02, clock_drift_ppm: 150.0, first_boot_id: 1 },
        impairments: Impairments { loss: 0.2, duplicate: 0.1, reorder: 0.2 },
        interval: Nanoseconds::SECOND,
        reboot_every: None,
        seed,
    }
}

/// A datagram that the client accepted, and when the meter really took it.
#[derive(Clone, Copy)]
struct Accepted {
    boot: u64,
    taken: Nanoseconds,
    charge: MilliampereSeconds,
    at: Timestamp,
}

/// What the client was told, and what is true.
#[derive(Default)]
struct Run {
    books: Books,
    accepted: Vec<Accepted>,
    outcomes: BTreeSet<Outcome>,
    changes: Vec<Change>,
    requests: usize,
    /// When each boot was over, and its counter then began from zero.
    booted: BTreeMap<u64, Nanoseconds>,
    /// The largest charge of each boot that arrived before anything of the next boot did.
    arrived: BTreeMap<u64, MilliampereSeconds>,
}

fn ten_minutes(seed: u64, reboots: &[Nanoseconds]) -> Run {
    let client = "192.0.2.1:4000".parse().unwrap();
    let trace = PowerTrace::parse("0,2.5\n7,6.1\n11,3.3\n30,2.5\n47,7.9\n60,2.5").unwrap();
    let mut simulator = Simulator::new(settings(seed));
    let (mut state, mut subscription, mut run) = (state(), Subscription::default(), Run::default());
    let mut taken = HashMap::new();
    let mut now = Nanoseconds::ZERO;
    while now < TEN_MINUTES {
        now += STEP;
        let host = HOST_START + now;
        let arrived = simulator.advance(now, trace.at(now));
        let (board, input) = (simulator.board(), simulator.board().input(2).unwrap());
        if board.is_up() {
            run.booted.entry(board.boot_id()).or_insert(now);
            taken.insert((board.uptime_micros(), input.charge.0.to_bits()), (board.boot_id(), now));
        }
        for datagram in arrived {
            let sample = decode(&datagram.bytes).unwrap();
            let (boot, taken) = taken[&(sample.uptime.0 / 1_000, sample.charge.0.to_bits())];
            if run.arrived.keys().all(|&heard| heard <= boot) {
                let largest = run.arrived.entry(boot).or_default();
                *largest = if sample.charge > *largest { sample.charge } else { *largest };
            }

            subscription.heard(host);
            let Heard { outcome, reading, change, .. } = state.datagram(host, &datagram.bytes);
            run.outcomes.insert(outcome);
            run.changes.extend(change);
            if let Some(reading) = reading {
                run.accepted.push(Accepted { boot, taken, charge: sample.charge, at: reading.at });
                run.books.add(&reading);
            }
        }
        if reboots.contains(&now) {
            simulator.reboot();
        }
        if subscription.tick(host) == Action::Send {
            subscription.asked(host);
            state.asked(host);
            simulator.receive(client, &encode_request(2));
            run.requests += 1;
        }
    }
    run
}

impl Run {
    fn last_of(&self, boot: u64) -> Accepted {
        *self.accepted.iter().rfind(|accepted| accepted.boot == boot).unwrap()
    }

    /// Of the first boot, what was counted after the first reading; of the others, all: up to the last datagram that
    /// arrived, since nothing can be known of what came after.
    fn energy_that_reached_the_client(&self) -> Microjoules {
        let charge = self.arrived.values().map(|charge| charge.0).sum::<f64>() - self.accepted[0].charge.0;
        MilliampereSeconds(charge) * VOLTS
    }
}

#[test]
fn ten_minutes_of_loss_copies_disorder_drift_and_two_reboots_are_exact_but_for_what_the_meter_lost() {
    for seed in 0..5 {
        // In the midst of work, and at no round times.
        let reboots = [Nanoseconds::from_millis(187_340), Nanoseconds::from_millis(402_910)];
        let run = ten_minutes(seed, &reboots);

        let reached = run.energy_that_reached_the_client();
        assert!(run.books.energy.0.abs_diff(reached.0) <= 2, "seed {seed}: {} is not {reached}", run.books.energy);
        assert!(run.books.energy > Microjoules(1_500_000_000), "seed {seed}: only {}", run.books.energy);

        let lost = run.changes.iter().map(|change| match change {
            Change::Rebooted { lost } => *lost,
            Change::CounterReset { .. } => panic!("seed {seed}: {:?}", run.changes),
        });
        let truly_lost = [1, 2].map(|boot| run.booted[&(boot + 1)].saturating_sub(run.last_of(boot).taken));
        assert_eq!(lost.clone().count(), 2, "seed {seed}");
        for (lost, truth) in lost.zip(truly_lost) {
            // The meter's first datagram after its boot may have been delayed by 2.5 s, and then the boot looks as
            // much later.
            let error = lost.seconds() - truth.seconds();
            assert!((-0.05..2.55).contains(&error), "seed {seed}: {lost:?} is not {truth:?}");
        }

        let all = [Outcome::Accepted, Outcome::Duplicate, Outcome::Reordered];
        assert!(all.iter().all(|outcome| run.outcomes.contains(outcome)), "{:?}", run.outcomes);
        assert!(run.requests <= 15, "seed {seed}: {} requests, each a sender for ever", run.requests);
    }
}

#[test]
fn readings_are_placed_where_they_were_taken_however_late_they_came() {
    let run = ten_minutes(42, &[]);
    let settled = run.accepted.iter().filter(|accepted| accepted.taken > Nanoseconds::from_millis(20_000));
    for accepted in settled {
        let error = accepted.at.0.abs_diff((HOST_START + accepted.taken).0);
        // 150 ppm of the minute over which the quickest datagram is looked for, and one step of the simulation.
        assert!(error <= 9_000_000 + STEP.0, "{error} ns");
    }
}

#[test]
fn without_a_reboot_no_energy_is_lost_at_all() {
    for seed in 0..5 {
        let run = ten_minutes(seed, &[]);
        assert_eq!(run.changes, []);
        assert!(run.books.energy.0.abs_diff(run.energy_that_reached_the_client().0) <= 1);
    }
}
