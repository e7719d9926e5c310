//! A program of a test's own that does not outlive it.

use std::io;
use std::process::{Child, Command, ExitStatus};

/// It is killed when it is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl From<Child> for Running {
    fn from(process: Child) -> Self {
        Self(process)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // Failing means that it has just ended.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
