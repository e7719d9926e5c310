//! What the agent's threads give up once what they need is open: new privileges, capabilities, system calls, and files to
//! write to.
//!
//! All of it is a thread's own and is inherited by the threads that it starts, so that each [`Role`] is entered by a thread
//! that has more than it, and by none twice. Nothing can be taken back.

mod calls;
mod capabilities;
mod confinement;
mod filter;
mod folder;
mod in_force;
mod role;

pub use confinement::Confinement;
pub use role::Role;
