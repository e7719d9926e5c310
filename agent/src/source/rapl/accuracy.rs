//! How far RAPL can be trusted.

use crate::source::ZoneName;
use crate::units::RelativeUncertainty;

/// One sigma of a zone's energy against a meter on the supply lines.
///
/// - Package and what lies in it: a few percent where the chip measures itself (Haswell and later: Hackenberg et al.,
///   "An Energy Efficiency Feature Survey of the Intel Haswell Processor", 2015; Khan et al., "RAPL in Action", ACM
///   TOMPECS 3(2), 2018).
/// - DRAM: within 20 % (Desrochers et al., "A Validation of DRAM RAPL Power Measurements", MEMSYS 2016), taken as two
///   sigma.
/// - AMD: modelled, blind to the data that is worked on (Schöne et al., "Energy Efficiency Aspects of the AMD Zen 2
///   Architecture", 2021).
pub(super) fn uncertainty(zone: &ZoneName, amd: bool) -> RelativeUncertainty {
    RelativeUncertainty(if amd || *zone == ZoneName::Dram { 0.10 } else { 0.05 })
}

/// Whether the processor is AMD's or built on its design, by `/proc/cpuinfo`.
pub(super) fn is_amd(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "vendor_id")
        .is_some_and(|(_, vendor)| matches!(vendor.trim(), "AuthenticAMD" | "HygonGenuine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_is_the_first_processors() {
        assert!(is_amd("processor\t: 0\nvendor_id\t: AuthenticAMD\n"));
        assert!(!is_amd("processor\t: 0\nvendor_id\t: GenuineIntel\n"));
        assert!(!is_amd(""));
    }
}
