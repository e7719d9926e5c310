//! Giving up what a thread does not need.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

use rustix::thread::CapabilitySet;
use tracing::{debug, info};

use crate::config::{Config, SeccompMode, SecurityConfig};
use crate::notice::Notice;

use super::capabilities::{self, Extras};
use super::filter;
use super::folder;
use super::in_force::{InForce, Part};
use super::role::Role;

/// Below this the kernel lets nobody listen without a capability (ip(7)).
const FIRST_FREE_PORT: u16 = 1024;

static PRIVILEGES_KEPT: Notice = Notice::new("privileges_kept");
static CAPABILITIES_KEPT: Notice = Notice::new("capabilities_kept");
static NO_FILTER: Notice = Notice::new("no_seccomp_filter");
static NO_LANDLOCK: Notice = Notice::new("no_landlock");

/// What the threads of this agent give up. Where the machine does not let them, it is said, and they go on.
#[derive(Debug)]
pub struct Confinement {
    wanted: SecurityConfig,
    extras: Extras,
    in_force: Mutex<InForce>,
}

impl Confinement {
    /// Of an agent with this configuration.
    pub fn new(config: &Config) -> Arc<Self> {
        let needs_rights = |port: u16| (1..FIRST_FREE_PORT).contains(&port);
        let mut pushed_to = config.source.meter.iter().filter_map(|meter| meter.listen);
        let low_port = pushed_to.any(|address| needs_rights(address.port()));
        Arc::new(Self {
            wanted: config.security.clone(),
            extras: Extras { sockets: config.invocation.sockets, low_port },
            in_force: Mutex::new(InForce::nothing()),
        })
    }

    /// Of a program that gives up nothing.
    pub fn none() -> Arc<Self> {
        Arc::new(Self {
            wanted: SecurityConfig { seccomp: SeccompMode::Off, drop_capabilities: false },
            extras: Extras::default(),
            in_force: Mutex::new(InForce::nothing()),
        })
    }

    /// Gives up what this thread does not need for its role. It, and what it starts, cannot have it back.
    pub fn enter(&self, role: &Role) {
        if self.wanted.seccomp == SeccompMode::Off && !self.wanted.drop_capabilities {
            return;
        }
        self.give_up_new_privileges();
        self.give_up_capabilities(role);
        if let (Role::Write(folder), SeccompMode::Enforce) = (role, self.wanted.seccomp) {
            let kept = folder::keep_to(folder).map(Part::from);
            let part = *kept.as_ref().unwrap_or(&Part::Unavailable);
            if part == Part::Unavailable {
                let why = kept.err().map_or_else(|| "this kernel does not have it".into(), |error| error.to_string());
                NO_LANDLOCK.warn(format_args!(
                    "Landlock does not keep the thread that writes to {} ({why}): nothing but the rights of files does (kernel 5.13 \
                     with landlock in CONFIG_LSM or lsm=)",
                    folder.display()
                ));
            }
            self.in_force().landlock.met(part);
        }
        let filtered = filter::install(role, self.wanted.seccomp, self.extras.sockets);
        let part = filtered.as_ref().map_or(Part::Unavailable, |()| self.wanted.seccomp.into());
        if let Err(error) = filtered {
            NO_FILTER.warn(format_args!(
                "system calls are not filtered: {error}; security.seccomp = \"off\" does without the filter"
            ));
        }
        self.in_force().seccomp.met(part);
    }

    /// Gives up the capabilities that a role does not need, in a thread that has entered another one.
    pub fn give_up_capabilities(&self, role: &Role) {
        if !self.wanted.drop_capabilities {
            return;
        }
        let kept = capabilities::keep(capabilities::needed(role, self.extras));
        let part = kept.map_or(Part::Unavailable, |_| Part::On);
        if let Err(error) = kept {
            CAPABILITIES_KEPT.warn(format_args!(
                "capabilities are kept that are not needed ({error}); security.drop_capabilities = false does without this"
            ));
        }
        self.in_force().capabilities.met(part);
    }

    /// Starts a thread that enters a role before it does anything, and waits until it has.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        name: &str,
        role: Role,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let (entered, has_entered) = mpsc::channel::<()>();
        let confinement = Arc::clone(self);
        let thread = Builder::new().name(name.into()).spawn(move || {
            confinement.enter(&role);
            drop(entered);
            work()
        })?;
        // What it says is that it has closed its end.
        let _ = has_entered.recv();
        Ok(thread)
    }

    /// Says what is kept and what is in force, once the thread that calls this has entered its role.
    pub fn tell(&self) {
        let in_force = *self.in_force();
        in_force.tell();
        let kept = rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
        info!("the thread that accounts keeps of its capabilities: {}; {in_force}", capabilities::names(kept));
    }

    fn give_up_new_privileges(&self) {
        let given_up = rustix::thread::set_no_new_privs(true);
        let part = given_up.map_or(Part::Unavailable, |()| Part::On);
        if let Err(error) = given_up {
            PRIVILEGES_KEPT.warn(format_args!("programs could still be given new privileges ({error})"));
        }
        self.in_force().no_new_privs.met(part);
        if self.wanted.drop_capabilities
            && let Err(error) = capabilities::leave_none_to_programs()
        {
            debug!("the bounding set stays as it is ({error}): no program can be started that would make use of it");
        }
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
