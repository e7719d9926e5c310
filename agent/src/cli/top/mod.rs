//! `prony top`: a live table in the terminal, or one picture for a script.
//!
//! Pure are `books` (what the agent told), `rows` (what of it is a table), `screen` (what the user chose), `view` (how
//! it is drawn) and `render` (how it is printed); the network is in `server`, `follow` and `once`, the terminal in `live`.

mod args;
mod books;
mod follow;
mod format;
mod live;
mod once;
mod render;
mod rows;
mod screen;
mod server;
#[cfg(test)]
mod tests;
mod view;
mod zones;

pub use args::{Credentials, Granularity, Output, Sort, TopArgs};

/// Shows what uses energy, until the user quits; with `--once`, one picture.
///
/// # Errors
/// Where the arguments make no sense, the agent refuses the request, the terminal cannot be used, or (with `--once`)
/// the agent cannot be reached. The text names what to do.
pub async fn run(args: TopArgs) -> anyhow::Result<()> {
    if args.once { once::run(args).await } else { live::run(args).await }
}
