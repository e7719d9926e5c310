//! Any order, loss and copying of a steady stream.

use prony_proto::meter::v1;
use proptest::prelude::*;
use prost::Message;

use crate::source::metering::Outcome;
use crate::source::metering::books::Books;
use crate::units::{MilliampereSeconds, Volts};

use super::state::{seconds, state};

/// What the network does to one datagram: the delay of each of its copies, in milliseconds.
fn fate() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..4_000, 0..3)
}

proptest! {
    #[test]
    fn the_total_is_the_last_counter_heard(
        booted in 0.0_f64..1e5,
        steps in prop::collection::vec((0.0_f64..1_600.0, fate()), 1..80),
    ) {
        let mut charge = 1_000.0 * booted;
        let mut arrivals = Vec::new();
        for (second, (step, fate)) in steps.iter().enumerate() {
            charge += step;
            let uptime = booted + second as f64;
            let message = v1::Sample { timestamp: (uptime * 1e6) as u64, charge, current: *step as f32 };
            arrivals.extend(fate.iter().map(|delay| (second as f64 + f64::from(*delay) / 1e3, message)));
        }
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));

        let (mut state, mut books, mut accepted) = (state(), Books::default(), Vec::new());
        for (arrival, message) in &arrivals {
            let heard = state.datagram(seconds(1e6 + arrival), &message.encode_to_vec());
            prop_assert_eq!(heard.change, None);
            if let Some(reading) = &heard.reading {
                accepted.push(message.charge);
                books.add(reading);
            } else {
                prop_assert!(matches!(heard.outcome, Outcome::Duplicate | Outcome::Reordered), "{heard:?}");
            }
        }
        let newest = arrivals.iter().map(|arrival| arrival.1.charge).fold(0.0, f64::max);
        prop_assert_eq!(accepted.last().copied().unwrap_or(0.0).to_bits(), newest.to_bits());
        let energy = |charge: f64| MilliampereSeconds(charge) * Volts(5.0);
        let expected = energy(newest).saturating_sub(energy(accepted.first().copied().unwrap_or(0.0)));
        prop_assert_eq!(books.energy, expected);
    }

    #[test]
    fn whatever_comes_is_survived(
        datagrams in prop::collection::vec((0_u64..100_000, prop::collection::vec(any::<u8>(), 0..30)), 0..100),
    ) {
        let (mut state, mut books, mut now) = (state(), Books::default(), 0);
        for (pause, datagram) in datagrams {
            now += pause;
            let heard = state.datagram(seconds(now as f64 / 1e3), &datagram);
            heard.reading.iter().for_each(|reading| books.add(reading));
        }
    }

    #[test]
    fn whatever_sane_values_come_counters_and_time_never_go_back(
        samples in prop::collection::vec(
            (0_u64..20_000, 0_u64..100_000_000, 0.0_f64..200_000.0, any::<bool>()), 0..200),
    ) {
        let (mut state, mut books, mut now) = (state(), Books::default(), 0);
        for (pause, timestamp, charge, asked) in samples {
            now += pause;
            if asked {
                state.asked(seconds(now as f64 / 1e3));
            }
            let message = v1::Sample { timestamp, charge, current: 1.0 };
            let heard = state.datagram(seconds(now as f64 / 1e3), &message.encode_to_vec());
            heard.reading.iter().for_each(|reading| books.add(reading));
        }
    }
}
