//! What holds for every policy and window.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::activity::ConsumerId;
use crate::config::Policy;
use crate::fuse::EnergyWindow;
use crate::fuse::fixtures::{consumer, energy_window, node, package, window};
use crate::source::Zone;
use crate::units::Microjoules;

use super::{Attribution, attribute};

const POLICIES: [Policy; 3] = [Policy::Separate, Policy::Proportional, Policy::Equal];

fn zones() -> impl Strategy<Value = Zone> {
    prop_oneof![Just(node()), Just(package(0)), Just(package(1)), Just(package(9))]
}

fn energies() -> impl Strategy<Value = (u64, u64)> {
    let energy = prop_oneof![Just(0), 0_u64..100, 0_u64..=1 << 53, any::<u64>()];
    (energy, 0.0_f64..1.2).prop_map(|(energy, fraction)| (energy, (energy as f64 * fraction) as u64))
}

/// Slices of `most` consumers at most, each on one or both packages.
fn slices(most: usize) -> impl Strategy<Value = Vec<(u32, u16, u64)>> {
    let times = (0_u64..1 << 36, 0_u64..3, 0_u8..4);
    prop::collection::vec(times, 0..=most).prop_map(|times| {
        let mut slices = Vec::new();
        for (pid, (first, second, which)) in (1..).zip(times) {
            slices.extend((which != 1).then_some((pid, 0, first)));
            slices.extend((which != 2).then_some((pid, 1, second)));
        }
        slices.retain(|&(_, _, time)| time > 0);
        slices
    })
}

fn windows() -> impl Strategy<Value = EnergyWindow> {
    let slices = prop_oneof![9 => slices(20), 1 => slices(3000)];
    (zones(), slices, energies(), prop_oneof![Just(0_u64), 1_u64..1 << 40]).prop_map(
        |(zone, slices, (energy, static_energy), length)| {
            energy_window(zone, window(5, 5 + length, &slices), energy, static_energy)
        },
    )
}

fn by_consumer(books: &Attribution) -> BTreeMap<ConsumerId, (Microjoules, Microjoules)> {
    books.shares.iter().map(|share| (share.consumer, (share.active, share.idle))).collect()
}

proptest! {
    #[test]
    fn the_parts_are_the_whole(window in windows()) {
        for policy in POLICIES {
            let books = attribute(&window, policy);
            prop_assert_eq!(books.books_error(), 0);
            prop_assert_eq!(books.measured, window.energy);
            prop_assert_eq!(by_consumer(&books).len(), books.shares.len(), "each consumer at most once");
        }
    }

    #[test]
    fn what_a_consumer_did_costs_the_same_under_every_policy(window in windows()) {
        let active = |policy| -> Vec<Microjoules> {
            attribute(&window, policy).shares.iter().map(|share| share.active).collect()
        };
        prop_assert_eq!(active(Policy::Separate), active(Policy::Proportional));
        prop_assert_eq!(active(Policy::Separate), active(Policy::Equal));
    }

    #[test]
    fn static_energy_is_charged_to_those_who_ran_or_to_nobody(window in windows()) {
        for policy in POLICIES {
            let books = attribute(&window, policy);
            let shared: u128 = books.shares.iter().map(|share| u128::from(share.idle.0)).sum();
            let expected = window.static_energy.min(window.energy);
            prop_assert_eq!(shared + u128::from(books.idle.0), u128::from(expected.0));
            if policy == Policy::Separate || books.shares.is_empty() {
                prop_assert_eq!(books.idle, expected);
            } else {
                prop_assert_eq!(books.idle, Microjoules::ZERO);
                prop_assert_eq!(books.unattributed, Microjoules::ZERO);
            }
        }
    }

    #[test]
    fn equal_parts_differ_by_one_microjoule_at_most(window in windows()) {
        let books = attribute(&window, Policy::Equal);
        let parts = || books.shares.iter().map(|share| share.idle.0);
        prop_assert!(parts().max().unwrap_or(0) - parts().min().unwrap_or(0) <= 1);
    }

    #[test]
    fn energy_follows_cpu_time(slices in slices(50), energy in 0_u64..1 << 45) {
        let window = energy_window(node(), window(0, 1 << 40, &slices), energy, energy / 3);
        let whole: u64 = slices.iter().map(|slice| slice.2).sum();
        for share in attribute(&window, Policy::Proportional).shares {
            let part: u64 = slices.iter().filter(|slice| consumer(slice.0) == share.consumer).map(|slice| slice.2).sum();
            let quota = energy as f64 * (part as f64 / whole as f64);
            prop_assert!((quota - (share.active.0 + share.idle.0) as f64).abs() <= 1.01);
        }
    }

    #[test]
    fn the_order_of_consumers_matters_only_for_ties(slices in slices(30), energy in 0_u64..1 << 45) {
        let mut turned = slices.clone();
        turned.sort_by_key(|&(pid, shard, _)| (u32::MAX - pid, shard));
        for policy in POLICIES {
            let books = |slices| attribute(&energy_window(node(), window(0, 1 << 40, slices), energy, energy / 2), policy);
            for (straight, turned) in by_consumer(&books(&slices)).values().zip(by_consumer(&books(&turned)).values()) {
                prop_assert!(straight.0.0.abs_diff(turned.0.0) <= 1);
                prop_assert!(straight.1.0.abs_diff(turned.1.0) <= 2);
            }
        }
    }
}

#[test]
fn only_what_ran_on_the_socket_is_charged_for_it() {
    let activity = window(0, 100, &[(1, 0, 50), (2, 0, 50), (2, 1, 25), (3, 1, 75)]);
    let active = |zone| {
        let books = attribute(&energy_window(zone, activity.clone(), 1000, 200), Policy::Separate);
        assert_eq!(books.idle, Microjoules(200));
        books.shares.iter().map(|share| (share.consumer, share.active.0)).collect::<Vec<_>>()
    };
    assert_eq!(active(package(0)), [(consumer(1), 400), (consumer(2), 400)]);
    assert_eq!(active(package(1)), [(consumer(2), 200), (consumer(3), 600)]);
    assert_eq!(active(node()), [(consumer(1), 200), (consumer(2), 300), (consumer(3), 300)]);
}

#[test]
fn dynamic_energy_is_unattributed_where_nobody_ran() {
    for policy in POLICIES {
        let books = attribute(&energy_window(package(1), window(0, 100, &[(1, 0, 50)]), 1000, 300), policy);
        assert_eq!((books.idle, books.unattributed), (Microjoules(300), Microjoules(700)));
        assert!(books.shares.is_empty());
    }
}
