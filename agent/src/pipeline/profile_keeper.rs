//! Keeps what is learned in the profile's file. The file is written on a thread of its own: a disk may take its time.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use tracing::info;

use crate::clock::{Timestamp, UnixSeconds};
use crate::confine::{Confinement, Role};
use crate::notice::Notice;
use crate::profile::{Profile, ProfileFile};
use crate::source::IdlePower;
use crate::units::Nanoseconds;

/// How often it is looked whether there is something new to keep.
const EVERY: Nanoseconds = Nanoseconds(60 * Nanoseconds::SECOND.0);

static UNUSABLE: Notice = Notice::new("profile_unusable");
static UNWRITABLE: Notice = Notice::new("profile_unwritable");

/// The profile of this run.
pub(super) struct ProfileKeeper {
    profile: Profile,
    due: Timestamp,
    to_writer: Sender<Profile>,
    writer: JoinHandle<()>,
}

impl ProfileKeeper {
    /// Begins with what the file at `path` holds. None where it can be neither read nor replaced: nothing is kept then.
    pub(super) fn start(path: &Path, now: Timestamp, confinement: &Arc<Confinement>) -> Option<Self> {
        let opened = ProfileFile::open_or_begin(path, |error| UNUSABLE.warn(error));
        let (file, profile) = opened.inspect_err(|error| UNUSABLE.warn(error)).ok()?;
        for learned in profile.entries() {
            let IdlePower { source, zone, power } = &learned.idle;
            info!("static power of {zone} by {source}, as remembered: {power}");
        }
        let (to_writer, profiles) = mpsc::channel();
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let writer = confinement.spawn("prony-profile", Role::Write(folder.into()), move || write(file, &profiles));
        let writer = writer.inspect_err(|error| {
            UNWRITABLE.warn(format_args!("static power is not kept: no thread ({error}); raise the limit of tasks"));
        });
        Some(Self { profile, due: now + EVERY, to_writer, writer: writer.ok()? })
    }

    /// What is known.
    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Keeps what is learned `now`, if it is time.
    pub(super) fn look(&mut self, now: Timestamp, wall: UnixSeconds, learned: impl Iterator<Item = IdlePower>) {
        if now >= self.due {
            self.due = now + EVERY;
            self.keep(wall, learned);
        }
    }

    /// Keeps what is learned at the end, and waits until it is written.
    pub(super) fn end(mut self, wall: UnixSeconds, learned: impl Iterator<Item = IdlePower>) {
        self.keep(wall, learned);
        drop(self.to_writer);
        // A writer that has panicked has said so.
        let _ = self.writer.join();
    }

    fn keep(&mut self, wall: UnixSeconds, learned: impl Iterator<Item = IdlePower>) {
        self.profile.follow(learned, wall);
        // The writer is gone when the file is somebody else's.
        let _ = self.to_writer.send(self.profile.clone());
    }
}

/// Writes what differs from what the file holds, until nothing more comes or somebody else has written the file.
fn write(mut file: ProfileFile, profiles: &Receiver<Profile>) {
    for profile in profiles {
        if !file.differs(&profile) {
            continue;
        }
        let written = file.was_changed().and_then(|changed| {
            if !changed {
                file.write(&profile)?;
            }
            Ok(changed)
        });
        match written {
            Ok(false) => {}
            Ok(true) => {
                info!(
                    "{} was changed by somebody else: this agent leaves it alone, the next one begins with it",
                    file.path().display()
                );
                return;
            }
            Err(error) => UNWRITABLE.warn(format_args!(
                "{} cannot be written ({error}), and static power is not kept: let the agent write its folder, or remove \
                 attribution.profile",
                file.path().display()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceId;
    use crate::units::Watts;

    fn learned(watts: f64) -> impl Iterator<Item = IdlePower> {
        let zone = "node".parse().unwrap();
        std::iter::once(IdlePower { source: SourceId("meter".into()), zone, power: Watts(watts) })
    }

    fn kept(path: &Path) -> Vec<(Watts, UnixSeconds)> {
        let (_, profile) = ProfileFile::open(path).unwrap();
        profile.entries().map(|it| (it.idle.power, it.at)).collect()
    }

    #[test]
    fn what_is_learned_is_there_for_the_next_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        let start = Timestamp(5);
        let mut keeper = ProfileKeeper::start(&path, start, &Confinement::none()).unwrap();
        keeper.look(start + Nanoseconds::SECOND, UnixSeconds(1), learned(3.0));
        keeper.look(start + EVERY, UnixSeconds(60), learned(4.0));
        keeper.end(UnixSeconds(61), learned(4.01));
        assert_eq!(kept(&path), [(Watts(4.0), UnixSeconds(60))], "a change of 0.25 % is none");

        let keeper = ProfileKeeper::start(&path, start, &Confinement::none()).unwrap();
        assert_eq!(keeper.profile().entries().count(), 1);
        keeper.end(UnixSeconds(90), learned(5.0));
        assert_eq!(kept(&path), [(Watts(5.0), UnixSeconds(90))]);
    }

    #[test]
    fn an_agent_that_learns_nothing_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        ProfileKeeper::start(&path, Timestamp(0), &Confinement::none())
            .unwrap()
            .end(UnixSeconds(1), std::iter::empty());
        assert!(!path.exists());
    }

    #[test]
    fn what_was_calibrated_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        let keeper = ProfileKeeper::start(&path, Timestamp(0), &Confinement::none()).unwrap();
        let (mut file, mut calibrated) = ProfileFile::open(&path).unwrap();
        calibrated.follow(learned(7.0), UnixSeconds(1));
        file.write(&calibrated).unwrap();
        keeper.end(UnixSeconds(2), learned(3.0));
        assert_eq!(kept(&path), [(Watts(7.0), UnixSeconds(1))]);
    }

    #[test]
    fn a_damaged_file_is_an_empty_profile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        std::fs::write(&path, "{").unwrap();
        ProfileKeeper::start(&path, Timestamp(0), &Confinement::none()).unwrap().end(UnixSeconds(2), learned(3.0));
        assert_eq!(kept(&path), [(Watts(3.0), UnixSeconds(2))]);
        assert!(folder.path().join("profile.json.damaged").exists());
        assert!(
            ProfileKeeper::start(folder.path(), Timestamp(0), &Confinement::none()).is_none(),
            "a folder is no file"
        );
    }
}
