//! The terminal: keys in, pictures out, and left as it was found.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::args::{Granularity, TopArgs};
use super::follow::{News, follow};
use super::screen::{Action, Link, Screen};
use super::server::Server;
use super::view::{Theme, draw};

/// How long the reader of keys sleeps before it looks whether it is still wanted.
const KEY_POLL: Duration = Duration::from_millis(100);

/// Runs until the user quits.
pub(super) async fn run(args: TopArgs) -> anyhow::Result<()> {
    let server = Server::new(&args.endpoint, &args.credentials)?;
    if !std::io::stdout().is_terminal() {
        anyhow::bail!("standard output is no terminal: use `prony top --once` for one picture");
    }
    let mut terminal = ratatui::try_init().context("the terminal cannot be used: use `prony top --once`")?;
    let outcome = session(&mut terminal, &server, &args).await;
    ratatui::try_restore().context("the terminal cannot be put back: type `reset`")?;
    outcome
}

async fn session(terminal: &mut DefaultTerminal, server: &Server, args: &TopArgs) -> anyhow::Result<()> {
    let theme = Theme::from_environment();
    let mut screen = Screen::new(args);
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let keys = Keys::read();
    let mut input = keys.events;
    let mut following = Following::start(server, args, screen.by);
    loop {
        terminal.draw(|frame| draw(frame, &mut screen, theme)).context("cannot draw on the terminal")?;
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            event = input.recv() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => match screen.press(key) {
                    Action::Quit => return Ok(()),
                    Action::Follow(by) => following = Following::start(server, args, by),
                    Action::None => {}
                },
                // A new size needs a new picture, which every turn of the loop draws.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("cannot read keys"),
                None => return Ok(()),
            },
            Some(news) = following.news.recv() => hear(&mut screen, news),
        }
    }
}

fn hear(screen: &mut Screen, news: News) {
    match news {
        News::Message(message) => {
            screen.books.apply(*message);
            screen.link = Link::Following;
        }
        News::Lost(reason) => screen.link = Link::Lost(reason),
        News::Refused(reason) => screen.link = Link::Refused(reason),
    }
}

/// A connection that ends when it is dropped.
struct Following {
    news: mpsc::Receiver<News>,
    task: tokio::task::JoinHandle<()>,
}

impl Following {
    fn start(server: &Server, args: &TopArgs, by: Granularity) -> Self {
        let (sender, news) = mpsc::channel(4);
        Self { news, task: tokio::spawn(follow(server.clone(), args.request(by), sender)) }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A thread that reads the terminal, because that blocks; it ends when this is dropped.
struct Keys {
    events: mpsc::Receiver<std::io::Result<Event>>,
    _wanted: Wanted,
}

struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Keys {
    fn read() -> Self {
        let wanted = Arc::new(AtomicBool::new(true));
        let (sender, events) = mpsc::channel(16);
        let still = Arc::clone(&wanted);
        std::thread::spawn(move || {
            while still.load(Ordering::Relaxed) {
                let event = match event::poll(KEY_POLL) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                let failed = event.is_err();
                if sender.blocking_send(event).is_err() || failed {
                    return;
                }
            }
        });
        Self { events, _wanted: Wanted(wanted) }
    }
}
