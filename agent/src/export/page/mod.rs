//! The page that people look at, on the HTTP listener: what it is made of, and the figures that it asks for.
//!
//! A task follows the books second by second (`follow`), takes the differences (`differences`) and keeps them as frames
//! (`history`); everything that the page shows comes from there or from a picture of the books.

mod about;
mod assets;
mod columns;
mod consumers;
mod differences;
mod energy;
mod follow;
mod frame;
mod frames;
mod functions;
mod headline;
mod history;
mod kept;
mod latest_invocations;
mod level;
mod minutes;
mod own_cost;
mod reel;
mod routes;
#[cfg(test)]
mod tests;

pub use follow::{Page, PageOptions};
pub(in crate::export) use routes::{Shown, is_public, routes};
