//! Power by load.

use crate::units::Watts;

use super::load_points::LoadPoints;
use super::log_curve::LogCurve;

/// How power follows from load. More load never means less power.
#[derive(Clone, Debug, PartialEq)]
pub enum PowerCurve {
    /// By the logarithm of load.
    Logarithm(LogCurve),
    /// Straight between points.
    Points(LoadPoints),
}

impl PowerCurve {
    /// Power at a load in per cent; one beyond 0 to 100 counts as the end that is nearer.
    pub fn at(&self, load: f64) -> Watts {
        match self {
            Self::Logarithm(curve) => curve.at(load),
            Self::Points(points) => points.at(load),
        }
    }

    /// The same with every number to a millionth.
    pub(super) fn rounded(self) -> Self {
        match self {
            Self::Logarithm(curve) => Self::Logarithm(curve.rounded()),
            Self::Points(points) => Self::Points(points.rounded()),
        }
    }
}
