use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::config::HwmonRail;

use super::*;

/// `<root>/class/hwmon/<chip>/<file>` with these texts.
fn tree(files: &[(&str, &str)]) -> (TempDir, HostRoots) {
    let root = tempfile::tempdir().expect("tempdir");
    for (path, text) in files {
        set(&root, path, text);
    }
    let roots = HostRoots { sysfs: root.path().into(), ..HostRoots::default() };
    (root, roots)
}

fn set(root: &TempDir, path: &str, text: &str) {
    let file = root.path().join("class/hwmon").join(path);
    fs::create_dir_all(file.parent().expect("a folder")).expect("folder");
    fs::write(file, format!("{text}\n")).expect("file");
}

fn rail(chip: &str, channel: &str, zone: &str) -> HwmonRail {
    HwmonRail { chip: chip.into(), channel: channel.into(), zone: zone.into() }
}

fn config(rails: Vec<HwmonRail>) -> HwmonConfig {
    HwmonConfig { enabled: true, interval: Duration::from_millis(100), rail: rails }
}

fn read(source: &mut Hwmon, at_millis: u64) -> Vec<(String, Counter)> {
    let mut readings = Vec::new();
    source.read(Timestamp(at_millis * 1_000_000), &mut readings);
    readings
        .iter()
        .map(|reading| match reading.measure {
            Measure::Energy(counter) => (reading.zone.to_string(), counter),
            Measure::Power(_) => panic!("always a counter"),
        })
        .collect()
}

fn totals(source: &mut Hwmon, at_millis: u64) -> Vec<(String, u64)> {
    read(source, at_millis).into_iter().map(|(zone, counter)| (zone, counter.total.0)).collect()
}

fn zones(source: &Hwmon) -> Vec<String> {
    source.zones().iter().map(ToString::to_string).collect()
}

/// The files that the mainline driver shows on a Jetson, with its third channel off.
const JETSON: &[(&str, &str)] = &[
    ("hwmon3/name", "ina3221"),
    ("hwmon3/in1_label", "VDD_IN"),
    ("hwmon3/in1_input", "5000"),
    ("hwmon3/in1_enable", "1"),
    ("hwmon3/curr1_input", "1200"),
    ("hwmon3/shunt1_resistor", "5000"),
    ("hwmon3/in2_label", "VDD_CPU_GPU_CV"),
    ("hwmon3/in2_input", "4984"),
    ("hwmon3/curr2_input", "300"),
    ("hwmon3/in3_label", "VDD_SOC"),
    ("hwmon3/in3_input", "4984"),
    ("hwmon3/in3_enable", "0"),
    ("hwmon3/curr3_input", "200"),
    ("hwmon3/in4_input", "6"),
    ("hwmon3/curr4_input", "1700"),
    ("hwmon3/in7_input", "40"),
    ("hwmon3/in7_label", "sum of shunt voltages"),
];

#[test]
fn jetson_rails_are_current_times_voltage() {
    let (_root, roots) = tree(JETSON);
    let mut source = Hwmon::discover(&config(vec![]), &roots);
    assert_eq!(zones(&source), ["ina3221:VDD_CPU_GPU_CV", "ina3221:VDD_IN"]);
    totals(&mut source, 0);
    let after = totals(&mut source, 1_000);
    assert_eq!(after[1], ("ina3221:VDD_IN".into(), 6_000_000));
    assert_eq!(after[0].1, 300 * 4984);
}

#[test]
fn rails_get_their_meaning_from_the_configuration() {
    let (_root, roots) = tree(JETSON);
    let rails =
        vec![rail("ina3221", "VDD_IN", "node"), rail("ina3221", "2", "ignore"), rail("ina3221", "VDD_TYPO", "dram")];
    assert_eq!(zones(&Hwmon::discover(&config(rails), &roots)), ["node"]);
}

#[test]
fn of_one_rail_the_best_method_is_taken_and_only_that() {
    let (_root, roots) = tree(&[
        ("hwmon0/name", "ina226"),
        ("hwmon0/in0_input", "1"),
        ("hwmon0/in1_input", "12000"),
        ("hwmon0/curr1_input", "1000"),
        ("hwmon0/power1_input", "11900000"),
        ("hwmon1/name", "ina238"),
        ("hwmon1/in1_input", "12000"),
        ("hwmon1/curr1_input", "1000"),
        ("hwmon1/power1_input", "12000000"),
        ("hwmon1/energy1_input", "777"),
        ("hwmon2/name", "coretemp"),
        ("hwmon2/temp1_input", "40000"),
    ]);
    let mut source = Hwmon::discover(&config(vec![]), &roots);
    totals(&mut source, 0);
    let after = totals(&mut source, 100);
    assert_eq!(after, [("ina226:1".into(), 1_190_000), ("ina238:1".into(), 777)]);
}

#[test]
fn the_cores_of_amd_energy_are_no_rails_unless_asked_for() {
    let files = [
        ("hwmon0/name", "amd_energy"),
        ("hwmon0/energy1_input", "10"),
        ("hwmon0/energy1_label", "Ecore000"),
        ("hwmon0/energy2_input", "20"),
        ("hwmon0/energy2_label", "Ecore001"),
        ("hwmon0/energy3_input", "300"),
        ("hwmon0/energy3_label", "Esocket0"),
    ];
    let (_root, roots) = tree(&files);
    let source = |rails| Hwmon::discover(&config(rails), &roots);
    assert_eq!(totals(&mut source(vec![]), 0), [("amd_energy:Esocket0".into(), 300)]);
    let rails = vec![rail("amd_energy", "Esocket0", "package-0"), rail("amd_energy", "Ecore001", "core one")];
    assert_eq!(totals(&mut source(rails), 0), [("package-0".into(), 300), ("core one".into(), 20)]);
}

#[test]
fn the_acpi_power_meter_keeps_its_files_behind_and_may_have_no_name() {
    let (_root, roots) = tree(&[
        ("hwmon0/device/power1_average", "180000000"),
        ("hwmon0/device/power1_average_interval", "1000"),
        ("hwmon0/device/power1_accuracy", "95.0%"),
        ("hwmon0/device/power1_model_number", "X"),
    ]);
    let mut source = Hwmon::discover(&config(vec![rail("power_meter", "1", "node")]), &roots);
    let mut readings = Vec::new();
    source.read(Timestamp(0), &mut readings);
    source.read(Timestamp(500_000_000), &mut readings);
    let Measure::Energy(counter) = readings[1].measure else { panic!("a counter") };
    assert_eq!((readings[1].zone.to_string().as_str(), counter.total), ("node", Microjoules(90_000_000)));
    assert!((readings[1].uncertainty.0 - 0.05 / 3_f64.sqrt()).abs() < 1e-9);
}

#[test]
fn chips_of_the_same_name_are_told_apart_by_their_device() {
    let (root, roots) = tree(&[]);
    for (chip, device) in [("hwmon0", "1-0041"), ("hwmon1", "1-0040")] {
        fs::create_dir_all(root.path().join("devices").join(device)).expect("device");
        set(&root, &format!("{chip}/name"), "ina226");
        set(&root, &format!("{chip}/power1_input"), "1");
        let link = root.path().join("class/hwmon").join(chip).join("device");
        std::os::unix::fs::symlink(root.path().join("devices").join(device), link).expect("link");
    }
    assert_eq!(zones(&Hwmon::discover(&config(vec![]), &roots)), ["ina226@1-0040:1", "ina226@1-0041:1"]);
    let one = Hwmon::discover(&config(vec![rail("ina226@1-0041", "1", "node")]), &roots);
    assert_eq!(zones(&one), ["node", "ina226@1-0040:1"]);
    let both = Hwmon::discover(&config(vec![rail("ina226", "1", "node")]), &roots);
    assert_eq!(zones(&both), ["node", "ina226@1-0041:1"]);
}

#[test]
fn one_bad_channel_does_not_keep_the_others_from_being_read() {
    let (root, roots) = tree(&[
        ("hwmon0/name", "x"),
        ("hwmon0/power1_input", "garbage"),
        ("hwmon0/power2_input", "5"),
        ("hwmon0/power3_input", "-7000000"),
        ("hwmon0/energy4_input", "-1"),
    ]);
    fs::create_dir(root.path().join("class/hwmon/hwmon0/power9_input")).expect("a folder in its place");
    let mut source = Hwmon::discover(&config(vec![]), &roots);
    totals(&mut source, 0);
    assert_eq!(totals(&mut source, 1_000), [("x:2".into(), 5), ("x:3".into(), 0)]);
}

#[test]
fn a_counter_that_begins_anew_says_so() {
    let (root, roots) = tree(&[("hwmon0/name", "x"), ("hwmon0/energy1_input", "900")]);
    let mut source = Hwmon::discover(&config(vec![]), &roots);
    assert_eq!(read(&mut source, 0)[0].1.epoch, 0);
    set(&root, "hwmon0/energy1_input", "20");
    let counter = read(&mut source, 100)[0].1;
    assert_eq!((counter.total.0, counter.epoch), (20, 1));
}

#[test]
fn chips_that_come_and_go_never_make_a_counter_fall() {
    let (root, roots) = tree(&[("hwmon0/name", "x"), ("hwmon0/power1_input", "1000000")]);
    let mut source = Hwmon::discover(&config(vec![]), &roots);
    totals(&mut source, 0);
    assert_eq!(totals(&mut source, 1_000), [("x:1".into(), 1_000_000)]);
    fs::remove_dir_all(root.path().join("class/hwmon/hwmon0")).expect("remove");
    assert_eq!(totals(&mut source, 11_000), []);
    assert!(source.zones().is_empty());
    set(&root, "hwmon5/name", "x");
    set(&root, "hwmon5/power1_input", "2000000");
    assert_eq!(totals(&mut source, 22_000), [("x:1".into(), 1_000_000)]);
    assert_eq!(totals(&mut source, 23_000), [("x:1".into(), 3_000_000)]);
}

#[test]
fn power_that_jumps_between_samples_is_less_sure() {
    let (root, roots) = tree(&[("hwmon0/name", "x"), ("hwmon0/power1_input", "2000000")]);
    let mut source = Hwmon::discover(&config(vec![]), &roots);
    let mut readings = Vec::new();
    source.read(Timestamp(0), &mut readings);
    source.read(Timestamp(100), &mut readings);
    set(&root, "hwmon0/power1_input", "6000000");
    source.read(Timestamp(200), &mut readings);
    assert!(readings[2].uncertainty.0 > 5.0 * readings[1].uncertainty.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the files hold, nothing breaks and no counter of a rail that is sampled falls.
    #[test]
    fn any_bytes_are_survived(texts in prop::collection::vec("[-0-9a-z.%\\x00é]{0,24}", 6)) {
        let files = ["name", "in1_input", "in1_label", "curr1_input", "power2_average", "power2_accuracy"];
        let (root, roots) = tree(&[("hwmon0/in1_input", "1"), ("hwmon0/curr1_input", "1"), ("hwmon0/power2_average", "1")]);
        let mut source = Hwmon::discover(&config(vec![]), &roots);
        let mut before = BTreeMap::new();
        for (step, (file, text)) in (0_u64..).zip(files.iter().zip(&texts)) {
            set(&root, &format!("hwmon0/{file}"), text);
            for (zone, total) in totals(&mut source, step * 11_000).into_iter().chain(totals(&mut source, step * 11_000 + 500)) {
                prop_assert!(before.insert(zone, total).is_none_or(|earlier| earlier <= total));
            }
        }
    }
}

#[test]
fn a_machine_without_hwmon_has_no_zones() {
    let root = tempfile::tempdir().expect("tempdir");
    let roots = HostRoots { sysfs: root.path().into(), ..HostRoots::default() };
    assert!(Hwmon::discover(&config(vec![]), &roots).zones().is_empty());
}
