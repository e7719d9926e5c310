//! Physical quantities as types. Energy and time are integers, so that books can be exact; rates are floating point.
//!
//! Conversions between them exist here and nowhere else.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};

use serde::{Deserialize, Serialize};

macro_rules! integer_quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);

            /// The difference, or zero where `other` is larger.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The difference, or `None` where `other` is larger.
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// Whether there is nothing of it.
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                Self(items.map(|item| item.0).sum())
            }
        }
    };
}

integer_quantity! {
    /// Energy in microjoules, the unit of every ledger entry. 2^64 µJ are 18 TJ.
    Microjoules
}

integer_quantity! {
    /// A span of time in nanoseconds, or CPU time. 2^64 ns are 584 years.
    Nanoseconds
}

impl Microjoules {
    /// The energy in joules, for people and exporters.
    pub fn joules(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The nearest whole number of microjoules: the largest where that is too large, zero for negative energies and NaN.
    pub fn from_joules(joules: f64) -> Self {
        Self((joules * 1e6).round().max(0.0) as u64)
    }

    /// Mean power over `time`; zero over no time.
    pub fn over(self, time: Nanoseconds) -> Watts {
        if time.is_zero() { Watts(0.0) } else { Watts(self.0 as f64 * 1e3 / time.0 as f64) }
    }
}

impl Nanoseconds {
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);

    /// The span in seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The nearest whole number of nanoseconds: the largest where that is too large, zero for negative spans and NaN.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1e9).round().max(0.0) as u64)
    }

    /// A whole number of milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }
}

impl From<std::time::Duration> for Nanoseconds {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanoseconds> for std::time::Duration {
    fn from(span: Nanoseconds) -> Self {
        Self::from_nanos(span.0)
    }
}

/// Power in watts.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watts(pub f64);

impl Mul<Nanoseconds> for Watts {
    type Output = Microjoules;
    /// Energy at this power over a span, to the nearest microjoule; negative power gives none.
    fn mul(self, time: Nanoseconds) -> Microjoules {
        Microjoules((self.0 * time.0 as f64 / 1e3).round().max(0.0) as u64)
    }
}

/// Electric potential in volts.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Volts(pub f64);

/// Electric charge in milliampere-seconds (millicoulombs).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MilliampereSeconds(pub f64);

impl Mul<Volts> for MilliampereSeconds {
    type Output = Microjoules;
    /// Energy of this charge at a constant voltage: 1 mAs x 1 V = 1 mJ.
    fn mul(self, volts: Volts) -> Microjoules {
        Microjoules((self.0 * volts.0 * 1e3).round().max(0.0) as u64)
    }
}

/// Electric current in milliamperes.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Milliamperes(pub f64);

/// A standard uncertainty (one sigma) relative to the value it belongs to: 0.05 is 5 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RelativeUncertainty(pub f64);

impl fmt::Display for Watts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.3} W", self.0)
    }
}

impl fmt::Display for Microjoules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.6} J", self.joules())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_over_time_is_energy_and_back() {
        let energy = Watts(12.5) * Nanoseconds::from_millis(100);
        assert_eq!(energy, Microjoules(1_250_000));
        assert_eq!(energy.over(Nanoseconds::from_millis(100)), Watts(12.5));
        assert_eq!(energy.over(Nanoseconds::ZERO), Watts(0.0));
    }

    #[test]
    fn charge_times_volts_is_energy() {
        assert_eq!(MilliampereSeconds(304_000.0) * Volts(5.0), Microjoules(1_520_000_000));
    }

    #[test]
    fn nonsense_is_cut_off_and_never_wraps() {
        assert_eq!(Watts(-3.0) * Nanoseconds::SECOND, Microjoules::ZERO);
        assert_eq!(Microjoules::from_joules(f64::NAN), Microjoules::ZERO);
        assert_eq!(Microjoules::from_joules(f64::INFINITY), Microjoules(u64::MAX));
        assert_eq!(Nanoseconds::from_seconds(-1.0), Nanoseconds::ZERO);
    }
}
