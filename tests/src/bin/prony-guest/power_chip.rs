//! A chip that measures power, with the kernel's own driver: an LTC4215 (`drivers/hwmon/ltc4215.c`) on a bus that only the
//! kernel plays (`drivers/i2c/i2c-stub.c`).

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use i2cdev::core::I2CDevice as _;
use i2cdev::linux::LinuxI2CDevice;
use prony_tests::{Agent, Samples, assert_books, wait_until};

const ADDRESS: u16 = 0x48;
/// Registers: the voltage across the shunt (of 4 mOhm) in steps of 151 uV, and the rail's in steps of 60.25 mV.
const SENSE: u8 = 4;
const RAIL: u8 = 6;
const CONFIG: &str = "[source.rapl]\ninterface = 'off'\n[source.hwmon]\ninterval = '50ms'\n\
                      [[source.hwmon.rail]]\nchip = 'ltc4215'\nchannel = '1'\nzone = 'node'\n";
const EACH: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// The agent's energy is the chip's power over time; it goes on when the driver lets go of the chip and takes it again.
pub(crate) fn try_it() -> Result<String> {
    let bus = bus()?;
    set(&bus, RAIL, 200)?;
    set(&bus, SENSE, 40)?;
    write(&format!("/sys/bus/i2c/devices/{bus}/new_device"), &format!("ltc4215 {ADDRESS:#x}"))?;
    let agent = Agent::builder().config(CONFIG).start()?;
    let low = watch(&agent)?;
    let device = format!("{}-{ADDRESS:04x}", bus.trim_start_matches("i2c-"));
    write("/sys/bus/i2c/drivers/ltc4215/unbind", &device)?;
    sleep(Duration::from_secs(1));
    set(&bus, SENSE, 120)?;
    write("/sys/bus/i2c/drivers/ltc4215/bind", &device)?;
    let high = watch(&agent).context("after the driver was gone")?;
    assert_books(&agent.samples()?)?;
    Ok(format!("{low}; {high}"))
}

/// Compares the agent with the driver for some seconds, once the agent measures.
fn watch(agent: &Agent) -> Result<String> {
    let measured = |samples: &Samples| samples.sum("prony_zone_measured_joules_total", &[("zone", "node")]);
    let now = || Some(measured(&agent.samples().ok()?));
    let at_first = now().context("no answer")?;
    wait_until(PATIENCE, || now().filter(|&joules| joules > at_first + 1.0))
        .with_context(|| format!("the rail is not measured; the log:\n{}", agent.log()))?;
    let power = hwmon("ltc4215").context("the driver shows no chip")?.join("power1_input");
    let watts = fs::read_to_string(&power)?.trim().parse::<f64>()? / 1e6;
    let (before, from) = (now().context("no answer")?, Instant::now());
    sleep(EACH);
    let (energy, expected) = (now().context("no answer")? - before, watts * from.elapsed().as_secs_f64());
    let told = format!("{energy:.2} J of {expected:.2} J at {watts:.2} W");
    ensure!((energy / expected - 1.0).abs() < 0.1, "{told}");
    Ok(told)
}

fn bus() -> Result<String> {
    let is_stub = |bus: &PathBuf| fs::read_to_string(bus.join("name")).is_ok_and(|name| name.contains("stub"));
    let bus = folders("/sys/bus/i2c/devices").find(is_stub).context("the kernel plays no I2C bus")?;
    Ok(bus.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

fn hwmon(name: &str) -> Option<PathBuf> {
    folders("/sys/class/hwmon").find(|chip| fs::read_to_string(chip.join("name")).is_ok_and(|it| it.trim() == name))
}

fn folders(of: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn set(bus: &str, register: u8, value: u8) -> Result<()> {
    let mut chip =
        LinuxI2CDevice::new(format!("/dev/{bus}"), ADDRESS).with_context(|| format!("cannot open /dev/{bus}"))?;
    Ok(chip.smbus_write_byte_data(register, value)?)
}

fn write(file: &str, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {file}"))
}
