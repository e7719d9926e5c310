//! What the user chose, and what the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::args::{Granularity, Sort, TopArgs};
use super::books::Books;
use super::rows::{Order, Row, others, rows};
use super::zones::{ZoneGroup, default_group, groups};

/// The longest filter that can be typed.
const MAX_FILTER: usize = 100;

/// How it stands with the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Not reached yet.
    Connecting,
    /// Messages come.
    Following,
    /// Lost, and why; it is tried again.
    Lost(String),
    /// The agent does not answer this request, and why.
    Refused(String),
}

/// What a key asks the outside for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    None,
    /// Follow lines of another kind.
    Follow(Granularity),
    /// End.
    Quit,
}

/// All that a picture on the screen is made from.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) books: Books,
    pub(super) endpoint: String,
    pub(super) link: Link,
    pub(super) by: Granularity,
    pub(super) sort: Sort,
    pub(super) reverse: bool,
    pub(super) filter: String,
    pub(super) typing: bool,
    pub(super) help: bool,
    /// The books as they were when the user paused.
    pub(super) paused: Option<Books>,
    /// The first row that is shown.
    pub(super) top: usize,
    /// How many rows fit, as of the latest drawing.
    pub(super) height: usize,
    zone: Option<String>,
}

impl Screen {
    /// As the command line has it.
    pub(super) fn new(args: &TopArgs) -> Self {
        Self {
            books: Books::default(),
            endpoint: args.endpoint.clone(),
            link: Link::Connecting,
            by: args.by,
            sort: args.sort,
            reverse: false,
            filter: String::new(),
            typing: false,
            help: false,
            paused: None,
            top: 0,
            height: 1,
            zone: args.zone.clone(),
        }
    }

    /// The books that are shown.
    pub(super) fn shown(&self) -> &Books {
        self.paused.as_ref().unwrap_or(&self.books)
    }

    /// The zones that are shown; `None` where the agent has none.
    pub(super) fn zone(&self) -> Option<ZoneGroup> {
        let groups = groups(&self.shown().picture.zones);
        groups.get(self.zone_index(&groups)).cloned()
    }

    fn zone_index(&self, groups: &[ZoneGroup]) -> usize {
        let chosen = self.zone.as_ref().and_then(|name| groups.iter().position(|group| group.label == *name));
        chosen.unwrap_or_else(|| default_group(groups))
    }

    /// The rows of the whole table.
    pub(super) fn rows(&self) -> Vec<Row> {
        let order = Order { sort: self.sort, reverse: self.reverse, filter: &self.filter };
        self.zone().map(|zone| rows(self.shown(), &zone, &order)).unwrap_or_default()
    }

    /// What all those used that have no row.
    pub(super) fn others(&self) -> Option<Row> {
        self.zone().map(|zone| others(self.shown(), &zone))
    }

    /// What a key does.
    pub(super) fn press(&mut self, key: KeyEvent) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Action::Quit } else { Action::None };
        }
        if self.help {
            self.help = false;
            return Action::None;
        }
        if self.typing { self.type_filter(key.code) } else { self.command(key.code) }
    }

    fn type_filter(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Char(letter) if self.filter.len() < MAX_FILTER => self.filter.push(letter),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = false;
            }
            _ => {}
        }
        self.top = 0;
        Action::None
    }

    fn command(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('p') => return self.switch(Granularity::Process),
            KeyCode::Char('m') => return self.switch(Granularity::Command),
            KeyCode::Char('c') => return self.switch(Granularity::Cgroup),
            KeyCode::Char('o') => return self.switch(Granularity::Container),
            KeyCode::Char('f') => return self.switch(Granularity::Function),
            KeyCode::Tab => return self.switch(self.by.next()),
            KeyCode::Char('w') => self.sort = Sort::Watts,
            KeyCode::Char('j') => self.sort = Sort::Joules,
            KeyCode::Char('u') => self.sort = Sort::Cpu,
            KeyCode::Char('n') => self.sort = Sort::Name,
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('z') => self.next_zone(),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char(' ') => self.paused = if self.paused.is_some() { None } else { Some(self.books.clone()) },
            KeyCode::Esc => self.filter.clear(),
            code => self.scroll(code),
        }
        Action::None
    }

    fn switch(&mut self, to: Granularity) -> Action {
        if to == self.by && !matches!(self.link, Link::Refused(_)) {
            return Action::None;
        }
        self.by = to;
        self.books = Books::default();
        self.paused = None;
        self.top = 0;
        self.link = Link::Connecting;
        Action::Follow(to)
    }

    fn next_zone(&mut self) {
        let groups = groups(&self.shown().picture.zones);
        if !groups.is_empty() {
            let next = (self.zone_index(&groups) + 1) % groups.len();
            self.zone = Some(groups[next].label.clone());
        }
    }

    fn scroll(&mut self, code: KeyCode) {
        let page = self.height.max(1);
        let last = self.rows().len().saturating_sub(page);
        let to = match code {
            KeyCode::Up => self.top.saturating_sub(1),
            KeyCode::Down => self.top + 1,
            KeyCode::PageUp => self.top.saturating_sub(page),
            KeyCode::PageDown => self.top + page,
            KeyCode::Home => 0,
            KeyCode::End => last,
            _ => return,
        };
        self.top = to.min(last);
    }
}
