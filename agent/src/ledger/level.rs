//! One level of the books (processes, commands or cgroups): visible lines, hidden ones, and the line `other`.
//!
//! What is charged goes either to a visible line or to `other`, never to both, so that they are always the whole. A
//! line begins at zero when it is admitted, and what it has then used is added to `other` when it goes: to a reader who
//! takes a vanished line for ended, no line ever falls.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::units::{Microjoules, Nanoseconds};

use super::Generation;
use super::ended::EndedLines;
use super::line::{Line, LineRef, Moment, Pictures, Standing};
use super::usage::{Period, Usage};

/// How many lines may be hidden beside as many as are visible, so that small budgets find the largest too.
pub(super) const SPARE: usize = 64;

/// How many lines a level may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Visible, ended ones included.
    pub(super) visible: usize,
    /// Visible though ended.
    pub(super) ended: usize,
}

/// What came of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Where it is kept; `None` where there is no room even for a hidden line.
    pub(super) line: Option<LineRef>,
    /// Whether the line is new.
    pub(super) fresh: bool,
}

/// A level as an earlier agent has left it.
#[derive(Debug)]
pub(super) struct Resumed<Key, Extra> {
    /// Visible lines, and whether each has ended.
    pub(super) lines: Vec<(Key, Extra, Usage, bool)>,
    /// Lines that were seen and taken away since.
    pub(super) hidden: Vec<(Key, Extra)>,
    pub(super) other: Usage,
}

#[derive(Debug)]
pub(super) struct Slot<Key, Extra> {
    pub(super) version: u32,
    pub(super) line: Option<Line<Key, Extra>>,
}

/// One level of the books.
#[derive(Debug)]
pub(crate) struct Level<Key, Extra> {
    pub(super) slots: Vec<Slot<Key, Extra>>,
    /// The last window that changed the line of the same index; apart from the lines, so that a search is quick.
    pub(super) changed: Vec<Generation>,
    free: Vec<u32>,
    index: FxHashMap<Key, u32>,
    other: Usage,
    /// All that was ever charged, by zone, to check the sum of the lines against.
    charged: Vec<Microjoules>,
    pub(super) limits: Limits,
    pub(super) visible: usize,
    pub(super) ended: EndedLines,
    /// Lines that have gone into `other` since the running window began.
    gone: Vec<Key>,
}

impl<Key: Copy + Eq + Hash, Extra> Level<Key, Extra> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            slots: Vec::new(),
            changed: Vec::new(),
            free: Vec::new(),
            index: FxHashMap::default(),
            other: Usage::default(),
            charged: Vec::new(),
            limits,
            visible: 0,
            ended: EndedLines::default(),
            gone: Vec::new(),
        }
    }

    /// A window begins.
    pub(super) fn begin_window(&mut self) {
        self.gone.clear();
    }

    /// Hidden lines that were seen, and may be admitted only after another picture than those made so far.
    pub(super) fn withheld(&self, pictures: Pictures) -> impl Iterator<Item = Key> {
        let lines = (self.index.len() > self.visible).then(|| self.lines());
        let withheld = lines.into_iter().flatten().filter(
            move |(_, line)| matches!(line.standing, Standing::Hidden { seen_until: Some(last) } if pictures <= last),
        );
        withheld.map(|(_, line)| line.key)
    }

    /// Lines that have gone into `other` in the running window. Some of them may be back.
    pub(super) fn gone(&self) -> &[Key] {
        &self.gone
    }

    /// What has no visible line.
    pub(crate) fn other(&self) -> &Usage {
        &self.other
    }

    /// The lines that have one.
    pub(crate) fn visible_lines(&self) -> impl Iterator<Item = &Line<Key, Extra>> {
        self.slots.iter().filter_map(|slot| slot.line.as_ref()).filter(|line| line.is_visible())
    }

    /// Those of them that have changed after window `since`, and when they have last.
    pub(crate) fn changed_lines(&self, since: Generation) -> impl Iterator<Item = (Generation, &Line<Key, Extra>)> {
        let recent = self.changed.iter().zip(&self.slots).filter(move |(changed, _)| **changed > since);
        recent.filter_map(|(changed, slot)| Some((*changed, slot.line.as_ref()?))).filter(|(_, line)| line.is_visible())
    }

    /// How many lines [`Self::visible_lines`] gives.
    pub(crate) fn visible_count(&self) -> usize {
        self.visible
    }

    /// All that was ever charged in a zone.
    pub(crate) fn charged(&self, zone: usize) -> Microjoules {
        self.charged.get(zone).copied().unwrap_or_default()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (LineRef, &Line<Key, Extra>)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let line = slot.line.as_ref()?;
            Some((LineRef { index, version: slot.version }, line))
        })
    }

    pub(super) fn lines_mut(&mut self) -> impl Iterator<Item = &mut Line<Key, Extra>> {
        self.slots.iter_mut().filter_map(|slot| slot.line.as_mut())
    }

    pub(super) fn find(&self, key: &Key) -> Option<LineRef> {
        let index = *self.index.get(key)?;
        Some(LineRef { index, version: self.slots[index as usize].version })
    }

    pub(super) fn get(&self, line: LineRef) -> Option<&Line<Key, Extra>> {
        let slot = self.slots.get(line.index as usize)?;
        slot.line.as_ref().filter(|_| slot.version == line.version)
    }

    pub(super) fn get_mut(&mut self, line: LineRef) -> Option<&mut Line<Key, Extra>> {
        let slot = self.slots.get_mut(line.index as usize)?;
        slot.line.as_mut().filter(|_| slot.version == line.version)
    }

    /// `known`, or where it has gone stale the line of `key`.
    pub(super) fn renew(&self, known: Option<LineRef>, key: &Key) -> Option<LineRef> {
        known.filter(|line| self.get(*line).is_some()).or_else(|| self.find(key))
    }

    /// Adds CPU time, and makes a line where there is room for one. An ended line that is `alive` again goes on.
    pub(super) fn record(
        &mut self,
        key: Key,
        cpu_time: Nanoseconds,
        alive: bool,
        moment: Moment,
        extra: impl FnOnce() -> Extra,
    ) -> Recorded {
        let (line, fresh) = match self.find(&key) {
            Some(line) => (line, false),
            None if self.index.len() < 2 * self.limits.visible + SPARE => (self.insert(key, extra()), true),
            None => {
                self.other.cpu_time += cpu_time;
                return Recorded { line: None, fresh: false };
            }
        };
        self.admit(line, moment);
        if alive && !fresh {
            self.revive(line);
        }
        let entry = self.slots[line.index as usize].line.as_mut();
        let target = match entry {
            Some(entry) => {
                entry.lately += cpu_time;
                self.changed[line.index as usize] = moment.open;
                if entry.is_visible() { &mut entry.usage } else { &mut self.other }
            }
            None => &mut self.other,
        };
        target.cpu_time += cpu_time;
        Recorded { line: Some(line), fresh }
    }

    /// Adds CPU time that belongs to no line.
    pub(super) fn record_other(&mut self, cpu_time: Nanoseconds) {
        self.other.cpu_time += cpu_time;
    }

    /// Adds energy to a line, or to `other` where there is none.
    pub(super) fn charge(
        &mut self,
        line: Option<LineRef>,
        zone: usize,
        (active, idle): (Microjoules, Microjoules),
        period: Period,
        moment: Moment,
    ) {
        if self.charged.len() <= zone {
            self.charged.resize(zone + 1, Microjoules::ZERO);
        }
        self.charged[zone] += active + idle;
        let entry = line.and_then(|LineRef { index, version }| {
            let slot = &mut self.slots[index as usize];
            Some((slot.line.as_mut().filter(|_| slot.version == version)?, index))
        });
        match entry {
            Some((entry, index)) if entry.is_visible() => {
                self.changed[index as usize] = moment.open;
                entry.usage.charge(zone, active, idle, period);
            }
            _ => self.other.charge(zone, active, idle, period),
        }
    }

    /// Adds what was used elsewhere, to a line or to `other`. It counts for the power like what was charged here.
    pub(super) fn absorb(&mut self, line: Option<LineRef>, used: &mut Usage, moment: Moment, periods: &[Period]) {
        if self.charged.len() < used.zones().len() {
            self.charged.resize(used.zones().len(), Microjoules::ZERO);
        }
        for (charged, zone) in self.charged.iter_mut().zip(used.zones()) {
            *charged += zone.active + zone.idle;
        }
        let entry = line.and_then(|line| Some((line.index, self.get_mut(line)?)));
        match entry {
            Some((index, entry)) if entry.is_visible() => {
                entry.lately += used.cpu_time;
                entry.usage.take(used, periods);
                self.changed[index as usize] = moment.open;
            }
            _ => self.other.take(used, periods),
        }
    }

    /// Drops a line and adds what it has used to `other`.
    pub(super) fn fold(&mut self, line: LineRef, periods: &[Period]) {
        let slot = &mut self.slots[line.index as usize];
        if slot.version != line.version {
            return;
        }
        let Some(mut gone) = slot.line.take() else { return };
        slot.version = slot.version.wrapping_add(1);
        self.free.push(line.index);
        self.index.remove(&gone.key);
        if gone.is_visible() {
            self.visible -= 1;
            self.gone.push(gone.key);
        }
        if let Standing::Ended { rank, .. } = gone.standing {
            self.ended.remove(rank, line.index);
        }
        self.other.take(&mut gone.usage, periods);
    }

    /// Takes a line's visibility and adds what it has used to `other`; it stays as a hidden one.
    pub(super) fn hide(&mut self, line: LineRef, moment: Moment, periods: &[Period]) {
        let slot = &mut self.slots[line.index as usize];
        let Some(entry) = slot.line.as_mut().filter(|_| slot.version == line.version) else { return };
        let Standing::Visible { since } = entry.standing else { return };
        let seen_until = (moment.pictures > since).then_some(moment.pictures);
        entry.standing = Standing::Hidden { seen_until };
        self.other.take(&mut entry.usage, periods);
        self.visible -= 1;
        self.gone.push(entry.key);
    }

    /// Makes a hidden line visible if there is room.
    pub(super) fn admit(&mut self, line: LineRef, moment: Moment) {
        if self.visible >= self.limits.visible {
            return;
        }
        if let Some(entry) = self.get_mut(line).filter(|entry| entry.may_be_admitted(moment.pictures)) {
            entry.standing = Standing::Visible { since: moment.pictures };
            self.changed[line.index as usize] = moment.open;
            self.visible += 1;
        }
    }

    /// Begins with what an earlier agent has counted: lines as they were, and `other`. Lines for which there is no room go
    /// into `other`.
    pub(super) fn resume(
        &mut self,
        Resumed { lines, hidden, mut other }: Resumed<Key, Extra>,
        moment: Moment,
        periods: &[Period],
    ) {
        self.absorb(None, &mut other, moment, periods);
        for (key, extra) in hidden {
            let line = self.insert(key, extra);
            if let Some(entry) = self.get_mut(line) {
                entry.standing = Standing::Hidden { seen_until: Some(moment.pictures) };
            }
        }
        for (key, extra, mut usage, ended) in lines {
            let line = self.insert(key, extra);
            self.admit(line, Moment { pictures: Pictures::default(), ..moment });
            self.absorb(Some(line), &mut usage, moment, periods);
            if ended {
                self.end(line, moment, periods);
            }
        }
    }

    fn insert(&mut self, key: Key, extra: Extra) -> LineRef {
        let line = Line {
            key,
            extra,
            usage: Usage::default(),
            lately: Nanoseconds::ZERO,
            standing: Standing::Hidden { seen_until: None },
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { version: 0, line: None });
            self.changed.push(Generation::default());
            (self.slots.len() - 1) as u32
        });
        self.index.insert(key, index);
        let slot = &mut self.slots[index as usize];
        slot.line = Some(line);
        LineRef { index, version: slot.version }
    }
}
