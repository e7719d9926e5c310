//! Reads a trace, some lines ahead of whoever looks at them.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;

use tracing::warn;

use super::line::{Header, Line, VERSION};
use super::problem::{Problem, TraceError};

/// How much text is read at once, bytes, and how many times that much at most ahead.
const AT_ONCE: usize = 1 << 18;
const AHEAD: usize = 4;

self_cell::self_cell!(
    /// Some lines, and the text that they are in.
    pub(super) struct Lines {
        owner: String,
        #[covariant]
        dependent: Parsed,
    }
);

type Parsed<'a> = Vec<(u64, Line<'a>)>;

impl Lines {
    /// Each with its number, from 1.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Line<'_>)> {
        self.borrow_dependent().iter().map(|(number, line)| (*number, line))
    }
}

/// A trace that is being read.
pub(super) struct Trace {
    pub(super) header: Header,
    /// Some lines after the other, and at the end what is wrong, if anything is.
    pub(super) lines: Receiver<Result<Lines, TraceError>>,
    /// Where lines go that have been looked at, to be taken apart beside the rest.
    pub(super) spent: Sender<Lines>,
}

/// Reads the first line of `input`, and then, in a thread of its own, all others. A last line that was cut off, as when whoever wrote it was ended, is left out.
///
/// # Errors
/// When the first line cannot be read, or is no trace's.
pub(super) fn read<'scope, R: BufRead + Send + 'scope>(
    mut input: R,
    scope: &'scope Scope<'scope, '_>,
) -> Result<Trace, TraceError> {
    let header = read_header(&mut input).map_err(|problem| TraceError { line: 1, problem })?;
    let ((to, lines), (spent, taken_back)) = (sync_channel(AHEAD), channel());
    scope.spawn(move || read_ahead(input, &to, &taken_back));
    Ok(Trace { header, lines, spent })
}

/// Until the end, something that is wrong, or nobody who listens.
fn read_ahead(mut input: impl BufRead, to: &SyncSender<Result<Lines, TraceError>>, spent: &Receiver<Lines>) {
    let mut line = 2;
    loop {
        spent.try_iter().for_each(drop);
        let (mut text, first) = (String::with_capacity(AT_ONCE + AT_ONCE / 4), line);
        let mut wrong = None;
        while text.len() < AT_ONCE && wrong.is_none() {
            match input.read_line(&mut text) {
                Ok(0) => break,
                Ok(_) => line += 1,
                Err(error) => wrong = Some(TraceError { line, problem: error.into() }),
            }
        }
        let is_end = text.len() < AT_ONCE;
        let lines = Lines::new(text, |text| {
            let (lines, malformed) = parsed(text, first);
            wrong = malformed.or(wrong.take());
            lines
        });
        if to.send(Ok(lines)).is_err() {
            return;
        }
        if let Some(wrong) = wrong {
            let _nobody_listens = to.send(Err(wrong));
            return;
        }
        if is_end {
            return;
        }
    }
}

/// The lines of a text whose first has this number, up to the first that is malformed.
fn parsed(text: &str, first: u64) -> (Parsed<'_>, Option<TraceError>) {
    let mut lines = Parsed::new();
    for (number, text) in (first..).zip(text.split_inclusive('\n')).filter(|(_, text)| !text.trim().is_empty()) {
        match serde_json::from_str(text) {
            Ok(line) => lines.push((number, line)),
            Err(error) if error.is_eof() && !text.ends_with('\n') => warn!("line {number} is cut off and left out"),
            Err(error) => return (lines, Some(TraceError { line: number, problem: error.into() })),
        }
    }
    (lines, None)
}

fn read_header(input: &mut impl BufRead) -> Result<Header, Problem> {
    let mut text = String::new();
    input.read_line(&mut text)?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| Problem::NoHeader)?;
    match value.get("prony_trace").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => Ok(serde_json::from_value(value)?),
        Some(version) => Err(Problem::Version(u32::try_from(version).unwrap_or(u32::MAX))),
        None => Err(Problem::NoHeader),
    }
}
