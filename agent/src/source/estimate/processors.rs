//! Thermal design power of well-known processors.

use std::fs;

use crate::host::HostRoots;
use crate::units::Watts;

use super::tdp_curve::IDLE_SHARE;

/// A processor model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Processor {
    /// What its model name contains, as a word.
    pub(super) model: &'static str,
    /// TDP of a package.
    pub(super) tdp: Watts,
    /// Hardware threads of a package.
    pub(super) threads: usize,
    /// The part of the TDP that it draws idle.
    pub(super) idle_share: f64,
}

const fn tdp(model: &'static str, watts: f64, threads: usize) -> Processor {
    Processor { model, tdp: Watts(watts), threads, idle_share: IDLE_SHARE }
}

/// A board: its power at full load and idle stand for its processor's.
const fn board(model: &'static str, full: f64, idle: f64, threads: usize) -> Processor {
    Processor { model, tdp: Watts(full), threads, idle_share: idle / full }
}

/// TDP and threads as the makers publish them: Intel at ark.intel.com ("TDP" or "Processor Base Power"), AMD at
/// amd.com/en/products/specifications ("Default TDP"), NVIDIA in the modules' data sheets (the highest power mode, GPU
/// included). Raspberry Pi: whole board, measured by J. Geerling (pidramble.com/wiki/benchmarks/power-consumption).
const PROCESSORS: &[Processor] = &[
    // Intel servers
    tdp("E5-2650 v4", 105.0, 24),
    tdp("E5-2670 v3", 120.0, 24),
    tdp("E5-2680 v3", 120.0, 24),
    tdp("E5-2680 v4", 120.0, 28),
    tdp("E5-2690 v4", 135.0, 28),
    tdp("Silver 4110", 85.0, 16),
    tdp("Silver 4210", 85.0, 20),
    tdp("Silver 4310", 120.0, 24),
    tdp("Silver 4314", 135.0, 32),
    tdp("Gold 6130", 125.0, 32),
    tdp("Gold 6148", 150.0, 40),
    tdp("Gold 6230", 125.0, 40),
    tdp("Gold 6248", 150.0, 40),
    tdp("Gold 6330", 205.0, 56),
    tdp("Gold 6338", 205.0, 64),
    tdp("Platinum 8160", 150.0, 48),
    tdp("Platinum 8168", 205.0, 48),
    tdp("Platinum 8180", 205.0, 56),
    tdp("Platinum 8280", 205.0, 56),
    tdp("Platinum 8358", 250.0, 64),
    tdp("Platinum 8380", 270.0, 80),
    tdp("Platinum 8480+", 350.0, 112),
    // AMD servers
    tdp("EPYC 7282", 120.0, 32),
    tdp("EPYC 7302", 155.0, 32),
    tdp("EPYC 7402", 180.0, 48),
    tdp("EPYC 7443", 200.0, 48),
    tdp("EPYC 7452", 155.0, 64),
    tdp("EPYC 7502", 180.0, 64),
    tdp("EPYC 7543", 225.0, 64),
    tdp("EPYC 7551", 180.0, 64),
    tdp("EPYC 7601", 180.0, 64),
    tdp("EPYC 7642", 225.0, 96),
    tdp("EPYC 7702", 200.0, 128),
    tdp("EPYC 7713", 225.0, 128),
    tdp("EPYC 7742", 225.0, 128),
    tdp("EPYC 7763", 280.0, 128),
    tdp("EPYC 9354", 280.0, 64),
    tdp("EPYC 9454", 290.0, 96),
    tdp("EPYC 9554", 360.0, 128),
    tdp("EPYC 9654", 360.0, 192),
    tdp("EPYC 9754", 360.0, 256),
    // Intel desktops and laptops
    tdp("i7-6700", 65.0, 8),
    tdp("i7-6700K", 91.0, 8),
    tdp("i5-7200U", 15.0, 4),
    tdp("i7-7700", 65.0, 8),
    tdp("i7-7700K", 91.0, 8),
    tdp("i5-8250U", 15.0, 8),
    tdp("i7-8550U", 15.0, 8),
    tdp("i5-8500", 65.0, 6),
    tdp("i7-8700", 65.0, 12),
    tdp("i7-8700K", 95.0, 12),
    tdp("i7-9700K", 95.0, 8),
    tdp("i9-9900K", 95.0, 16),
    tdp("i5-10400", 65.0, 12),
    tdp("i7-10700", 65.0, 16),
    tdp("i9-10900K", 125.0, 20),
    tdp("i5-11400", 65.0, 12),
    tdp("i5-12400", 65.0, 12),
    tdp("i7-12700", 65.0, 20),
    tdp("i7-12700K", 125.0, 20),
    tdp("i9-12900K", 125.0, 24),
    tdp("i5-1240P", 28.0, 16),
    tdp("i7-1260P", 28.0, 16),
    tdp("i5-13600K", 125.0, 20),
    tdp("i7-13700K", 125.0, 24),
    tdp("i9-13900K", 125.0, 32),
    tdp("i9-14900K", 125.0, 32),
    tdp("J4105", 10.0, 4),
    tdp("J4125", 10.0, 4),
    tdp("N5105", 10.0, 4),
    tdp("N100", 6.0, 4),
    // AMD desktops and laptops
    tdp("Ryzen 5 1600", 65.0, 12),
    tdp("Ryzen 5 2600", 65.0, 12),
    tdp("Ryzen 5 3600", 65.0, 12),
    tdp("Ryzen 7 3700X", 65.0, 16),
    tdp("Ryzen 9 3900X", 105.0, 24),
    tdp("Ryzen 9 3950X", 105.0, 32),
    tdp("Ryzen 5 5600X", 65.0, 12),
    tdp("Ryzen 7 5700G", 65.0, 16),
    tdp("Ryzen 7 5800X", 105.0, 16),
    tdp("Ryzen 9 5900X", 105.0, 24),
    tdp("Ryzen 9 5950X", 105.0, 32),
    tdp("Ryzen 7 5800U", 15.0, 16),
    tdp("Ryzen 5 7600X", 105.0, 12),
    tdp("Ryzen 7 7700X", 105.0, 16),
    tdp("Ryzen 9 7900X", 170.0, 24),
    tdp("Ryzen 9 7950X", 170.0, 32),
    tdp("Ryzen 7 7840U", 28.0, 16),
    // Boards
    tdp("Jetson Nano", 10.0, 4),
    tdp("Jetson Xavier NX", 20.0, 6),
    tdp("Jetson AGX Xavier", 30.0, 8),
    tdp("Jetson Orin Nano", 15.0, 6),
    tdp("Jetson AGX Orin", 60.0, 12),
    board("Raspberry Pi 3 Model B", 3.7, 1.4, 4),
    board("Raspberry Pi 3 Model B Plus", 5.1, 1.9, 4),
    board("Raspberry Pi 4 Model B", 6.4, 2.7, 4),
];

impl Processor {
    /// The one whose name is the longest that `model_name` contains.
    pub(super) fn find(model_name: &str) -> Option<&'static Self> {
        let known = PROCESSORS.iter().filter(|processor| contains_word(model_name, processor.model));
        known.max_by_key(|processor| processor.model.len())
    }
}

/// Whether `text` contains `word`, and no letter or digit goes on with it: `i7-8700K` and `i7-8700T` are no `i7-8700`.
/// AMD's single-socket `P` models are the same but for that.
pub(super) fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let behind = &text[at + word.len()..];
        let behind = if word.starts_with("EPYC") { behind.strip_prefix('P').unwrap_or(behind) } else { behind };
        !behind.starts_with(|next: char| next.is_ascii_alphanumeric())
    })
}

/// The processor's or board's name: `model name` or `Model` in `<procfs>/cpuinfo`, else the device tree's `model`;
/// empty where neither is there.
pub fn cpu_model(roots: &HostRoots) -> String {
    let cpuinfo = fs::read_to_string(roots.procfs.join("cpuinfo")).unwrap_or_default();
    let field = |wanted: &str| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.trim() == wanted).map(|(_, value)| value.trim().to_owned())
    };
    let device_tree = || fs::read_to_string(roots.sysfs.join("firmware/devicetree/base/model")).ok();
    let model = field("model name").or_else(|| field("Model")).or_else(device_tree).unwrap_or_default();
    model.trim_end_matches('\0').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watts(model_name: &str) -> Option<f64> {
        Processor::find(model_name).map(|processor| processor.tdp.0)
    }

    #[test]
    fn models_are_found_by_whole_words() {
        assert_eq!(watts("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz"), Some(95.0));
        assert_eq!(watts("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz"), Some(65.0));
        assert_eq!(watts("Intel(R) Core(TM) i7-8700T CPU @ 2.40GHz"), None);
        assert_eq!(watts("AMD EPYC 7702P 64-Core Processor"), Some(200.0));
        assert_eq!(watts("Intel(R) Xeon(R) Platinum 8480+"), Some(350.0));
        assert_eq!(watts("Raspberry Pi 3 Model B Plus Rev 1.3"), Some(5.1));
        assert_eq!(watts("Intel(R) Xeon(R) Processor"), None);
        assert_eq!(watts(""), None);
    }

    #[test]
    fn the_model_is_where_the_kernel_puts_it() {
        let root = tempfile::tempdir().expect("tempdir");
        let roots = HostRoots { sysfs: root.path().into(), procfs: root.path().into(), cgroupfs: None };
        assert_eq!(cpu_model(&roots), "");
        let tree = root.path().join("firmware/devicetree/base");
        fs::create_dir_all(&tree).expect("folder");
        fs::write(tree.join("model"), "Hardkernel Odroid XU4\0").expect("model");
        assert_eq!(cpu_model(&roots), "Hardkernel Odroid XU4");
        fs::write(root.path().join("cpuinfo"), "processor\t: 0\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n")
            .expect("cpuinfo");
        assert_eq!(cpu_model(&roots), "Raspberry Pi 4 Model B Rev 1.4");
        fs::write(root.path().join("cpuinfo"), "model\t: 207\nmodel name\t: Intel(R) N100\n").expect("cpuinfo");
        assert_eq!(cpu_model(&roots), "Intel(R) N100");
    }
}
