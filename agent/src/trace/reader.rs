//! Reads a trace line by line.

use std::io::BufRead;

use tracing::warn;

use super::line::{Header, Line, VERSION};
use super::problem::{Problem, TraceError};

/// A trace that is read.
pub(super) struct TraceReader<R> {
    input: R,
    header: Header,
    text: String,
    line: u64,
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the first line of `input`.
    ///
    /// # Errors
    /// When it cannot be read, or is no trace's.
    pub(super) fn new(mut input: R) -> Result<Self, TraceError> {
        let mut text = String::new();
        let header = read_header(&mut input, &mut text).map_err(|problem| TraceError { line: 1, problem })?;
        Ok(Self { input, header, text, line: 1 })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The next line and its number, from 1. A last one that was cut off, as when whoever wrote it was ended, is left out.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Line<'_>)>, TraceError> {
        loop {
            self.text.clear();
            self.line += 1;
            let line = self.line;
            let failed = |problem| TraceError { line, problem };
            if self.input.read_line(&mut self.text).map_err(|error| failed(error.into()))? == 0 {
                return Ok(None);
            }
            if !self.text.trim().is_empty() {
                break;
            }
        }
        match serde_json::from_str(&self.text) {
            Ok(line) => Ok(Some((self.line, line))),
            Err(error) if error.is_eof() && !self.text.ends_with('\n') => {
                warn!("line {} is cut off and left out", self.line);
                Ok(None)
            }
            Err(error) => Err(TraceError { line: self.line, problem: error.into() }),
        }
    }
}

fn read_header(input: &mut impl BufRead, text: &mut String) -> Result<Header, Problem> {
    input.read_line(text)?;
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| Problem::NoHeader)?;
    match value.get("prony_trace").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => Ok(serde_json::from_value(value)?),
        Some(version) => Err(Problem::Version(u32::try_from(version).unwrap_or(u32::MAX))),
        None => Err(Problem::NoHeader),
    }
}
