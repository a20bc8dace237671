//! A disk in memory that keeps a log of what was done to it: [`Disk`].

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::OsString,
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::{
    files::{FileSystem, Found, Lock, Root},
    layout::parent,
};

/// What was done to a disk, in the pieces that a power cut can separate.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    MakeFolder { path: String },
    Create { path: String, node: usize },
    Write { node: usize, at: usize, part: Vec<u8> },
    Truncate { node: usize, length: usize },
    SyncFile { node: usize },
    Rename { from: String, to: String },
    Remove { path: String },
    SyncFolder { path: String },
}

/// Names, and the content of files by the number of their node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tree {
    folders: BTreeSet<String>,
    names: BTreeMap<String, usize>,
    nodes: BTreeMap<usize, Vec<u8>>,
}

impl Tree {
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::MakeFolder { path } => {
                self.folders.insert(path.clone());
            }
            Operation::Create { path, node } => {
                self.names.insert(path.clone(), *node);
                self.nodes.entry(*node).or_default();
            }
            Operation::Write { node, at, part } => {
                let content = self.nodes.entry(*node).or_default();
                content.resize(content.len().max(at + part.len()), 0);
                content[*at..at + part.len()].copy_from_slice(part);
            }
            Operation::Truncate { node, length } => {
                self.nodes.entry(*node).or_default().truncate(*length);
            }
            Operation::Rename { from, to } => {
                if let Some(node) = self.names.remove(from) {
                    self.names.insert(to.clone(), node);
                }
            }
            Operation::Remove { path } => {
                self.names.remove(path);
            }
            Operation::SyncFile { .. } | Operation::SyncFolder { .. } => {}
        }
    }

    /// Forgets nodes that have no name, so that equal trees are equal.
    pub(super) fn tidied(mut self) -> Self {
        let used: BTreeSet<usize> = self.names.values().copied().collect();
        self.nodes.retain(|node, _| used.contains(node));
        self
    }

    fn content(&self, path: &str) -> Option<&Vec<u8>> {
        self.nodes.get(self.names.get(path)?)
    }

    fn next_node(&self) -> usize {
        self.nodes.keys().next_back().map_or(0, |last| last + 1)
    }

    fn has_folder(&self, path: &str) -> bool {
        path.is_empty() || self.folders.contains(path)
    }
}

/// A disk in memory. Copies share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    log: Vec<Operation>,
    locked: HashSet<String>,
}

impl Disk {
    pub(super) fn of(tree: Tree) -> Self {
        Self(Arc::new(Mutex::new(State { tree, ..State::default() })))
    }

    pub(super) fn log(&self) -> Vec<Operation> {
        self.state().log.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn perform(&mut self, operation: Operation) {
        self.tree.apply(&operation);
        self.log.push(operation);
    }

    fn check_folder(&self, path: &str) -> io::Result<()> {
        if self.tree.has_folder(path) { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn node(&self, path: &str) -> io::Result<usize> {
        self.tree.names.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl FileSystem for Disk {
    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn open(&self) -> io::Result<Box<dyn Root>> {
        Ok(Box::new(self.clone()))
    }
}

impl Root for Disk {
    fn device(&self) -> io::Result<u64> {
        Ok(1)
    }

    fn is_remote(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn is_shared(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn read(&self, path: &str, most: usize) -> io::Result<Found> {
        let state = self.state();
        Ok(match state.tree.content(path) {
            None if state.tree.has_folder(path) => Found::NoFile,
            None => Found::Missing,
            Some(content) => {
                let bytes = content[..content.len().min(most)].to_vec();
                Found::File { bytes, size: content.len() as u64 }
            }
        })
    }

    fn write_new(&self, path: &str, content: &[u8], sync: bool) -> io::Result<()> {
        let mut state = self.state();
        state.check_folder(parent(path))?;
        if state.tree.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        // Never one that an earlier file had, which a lost removal could bring back.
        let node = state.tree.next_node().max(state.log.len());
        state.perform(Operation::Create { path: path.into(), node });
        if !content.is_empty() {
            state.perform(Operation::Write { node, at: 0, part: content.into() });
        }
        if sync {
            state.perform(Operation::SyncFile { node });
        }
        Ok(())
    }

    fn write_at(&self, path: &str, at: u64, part: &[u8], sync: bool) -> io::Result<()> {
        let mut state = self.state();
        let node = state.node(path)?;
        state.perform(Operation::Write { node, at: at as usize, part: part.into() });
        if sync {
            state.perform(Operation::SyncFile { node });
        }
        Ok(())
    }

    fn truncate(&self, path: &str, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let node = state.node(path)?;
        state.perform(Operation::Truncate { node, length: length as usize });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.check_folder(parent(to))?;
        state.node(from)?;
        state.perform(Operation::Rename { from: from.into(), to: to.into() });
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<bool> {
        let mut state = self.state();
        let was_there = state.node(path).is_ok();
        if was_there {
            state.perform(Operation::Remove { path: path.into() });
        }
        Ok(was_there)
    }

    fn make_folder(&self, path: &str) -> io::Result<bool> {
        let mut state = self.state();
        state.check_folder(parent(path))?;
        let is_new = !state.tree.has_folder(path);
        if is_new {
            state.perform(Operation::MakeFolder { path: path.into() });
        }
        Ok(is_new)
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.check_folder(path)?;
        state.perform(Operation::SyncFolder { path: path.into() });
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<OsString>> {
        let state = self.state();
        let start = if path.is_empty() { String::new() } else { format!("{path}/") };
        let folders = state.tree.folders.range(start.clone()..);
        let names = state.tree.names.range(start.clone()..).map(|(name, _)| name);
        let below = |name: &&String| name.starts_with(&start);
        let all = folders.take_while(below).chain(names.take_while(below));
        let within = all.filter(|name| parent(name) == path);
        Ok(within.map(|name| name.rsplit_once('/').map_or(&**name, |it| it.1).into()).collect())
    }

    fn lock(&self, path: &str, patience: Duration) -> io::Result<Option<Lock>> {
        let began = Instant::now();
        loop {
            let mut state = self.state();
            state.check_folder(parent(path))?;
            if state.locked.insert(path.into()) {
                return Ok(Some(Box::new(Held { disk: self.clone(), path: path.into() })));
            }
            drop(state);
            if began.elapsed() >= patience {
                return Ok(None);
            }
            std::thread::yield_now();
        }
    }
}

struct Held {
    disk: Disk,
    path: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.path);
    }
}
