//! Directories: entries as the process sees them, and as the disk holds them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use super::content::FileNode;

/// Repeatable choices: SplitMix64, as in `SeededRandom`, but cloned with the disk.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `0..limit`; `limit` is at least 1.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// The number of a file or directory, whatever its name is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u64);

const ROOT: NodeId = NodeId(0);

#[derive(Clone)]
enum Node {
    File(FileNode),
    Directory(Directory),
}

#[derive(Clone, Default)]
struct Directory {
    entries: BTreeMap<OsString, NodeId>,
    durable: BTreeMap<OsString, NodeId>,
    unsynced: Vec<EntryChange>,
}

#[derive(Clone)]
enum EntryChange {
    Link { name: OsString, node: NodeId },
    Unlink { name: OsString },
    Rename { from: OsString, to: OsString },
}

impl EntryChange {
    fn apply(&self, entries: &mut BTreeMap<OsString, NodeId>) {
        match self {
            EntryChange::Link { name, node } => {
                entries.insert(name.clone(), *node);
            }
            EntryChange::Unlink { name } => {
                entries.remove(name);
            }
            EntryChange::Rename { from, to } => {
                if let Some(node) = entries.remove(from) {
                    entries.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Directory {
    fn change(&mut self, change: EntryChange) {
        change.apply(&mut self.entries);
        self.unsynced.push(change);
    }

    fn keep(&mut self, count: usize) {
        for change in self.unsynced.drain(..count) {
            change.apply(&mut self.durable);
        }
    }
}

/// All files and directories, from the root down.
#[derive(Clone)]
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Directory(Directory::default()))]), next: 1 }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = ROOT;
        for name in names(path)? {
            let Some(Node::Directory(directory)) = self.nodes.get(&at) else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            at = *directory.entries.get(&name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    pub(super) fn is_directory(&self, node: NodeId) -> bool {
        matches!(self.nodes.get(&node), Some(Node::Directory(_)))
    }

    pub(super) fn file(&self, node: NodeId) -> io::Result<&FileNode> {
        match self.nodes.get(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file_mut(&mut self, node: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&node) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn directory(&self, node: NodeId) -> io::Result<&Directory> {
        match self.nodes.get(&node) {
            Some(Node::Directory(directory)) => Ok(directory),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn directory_mut(&mut self, node: NodeId) -> io::Result<&mut Directory> {
        match self.nodes.get_mut(&node) {
            Some(Node::Directory(directory)) => Ok(directory),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The directory that holds `path`, and its name there.
    fn parent(&self, path: &Path) -> io::Result<(NodeId, OsString)> {
        let name = names(path)?.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.directory(parent)?;
        Ok((parent, name))
    }

    fn add(&mut self, parent: NodeId, name: OsString, node: Node) -> io::Result<NodeId> {
        let id = NodeId(self.next);
        self.next += 1;
        self.directory_mut(parent)?.change(EntryChange::Link { name, node: id });
        self.nodes.insert(id, node);
        Ok(id)
    }

    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<NodeId> {
        let (parent, name) = self.parent(path)?;
        self.add(parent, name, Node::File(FileNode::default()))
    }

    pub(super) fn create_directories(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for name in names(path)? {
            at = match self.directory(at)?.entries.get(&name) {
                Some(node) => *node,
                None => self.add(at, name, Node::Directory(Directory::default()))?,
            };
        }
        self.directory(at).map(|_| ())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let directory = self.directory(self.find(path)?)?;
        Ok(directory.entries.keys().map(|name| path.join(name)).collect())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (from_parent, from_name) = self.parent(from)?;
        let (to_parent, to_name) = self.parent(to)?;
        if from_parent != to_parent {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if let Ok(replaced) = self.find(to)
            && replaced != node
            && let Some(Node::Directory(directory)) = self.nodes.get(&replaced)
            && !directory.entries.is_empty()
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.directory_mut(from_parent)?.change(EntryChange::Rename { from: from_name, to: to_name });
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.file(self.find(path)?)?;
        let (parent, name) = self.parent(path)?;
        self.directory_mut(parent)?.change(EntryChange::Unlink { name });
        Ok(())
    }

    /// Empties a directory, all or the first `limit` of its entries; each may come back at a power loss.
    pub(super) fn empty_directory(&mut self, path: &Path, limit: usize) -> io::Result<()> {
        let node = self.find(path)?;
        let names: Vec<OsString> = self.directory(node)?.entries.keys().take(limit).cloned().collect();
        for name in names {
            let child = path.join(&name);
            if self.is_directory(self.find(&child)?) {
                self.empty_directory(&child, usize::MAX)?;
            }
            self.directory_mut(node)?.change(EntryChange::Unlink { name });
        }
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &Path) -> io::Result<()> {
        self.empty_directory(path, usize::MAX)?;
        let (parent, name) = self.parent(path)?;
        self.directory_mut(parent)?.change(EntryChange::Unlink { name });
        Ok(())
    }

    pub(super) fn entry_count(&self, path: &Path) -> usize {
        self.find(path).and_then(|node| Ok(self.directory(node)?.entries.len())).unwrap_or(0)
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        let directory = self.directory_mut(node)?;
        directory.keep(directory.unsynced.len());
        Ok(())
    }

    /// A failed sync of a directory: its unsynced changes are seen, but never become durable by a later sync.
    pub(super) fn fail_sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        self.directory_mut(node)?.unsynced.clear();
        Ok(())
    }

    /// Makes all files and directories durable; `call` is the number of the call that did it.
    pub(super) fn sync_all(&mut self, call: u64) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => file.sync(call),
                Node::Directory(directory) => directory.keep(directory.unsynced.len()),
            }
        }
    }

    /// Makes those files durable that the dice say.
    pub(super) fn sync_some(&mut self, dice: &mut Dice, call: u64) {
        self.dirty_files().filter(|_| dice.coin()).for_each(|file| file.sync(call));
    }

    /// A failed sync of all: some files are durable, the others have lost what was not.
    pub(super) fn fail_sync_all(&mut self, dice: &mut Dice, call: u64) {
        self.sync_some(dice, call);
        self.dirty_files().for_each(FileNode::lose);
    }

    fn dirty_files(&mut self) -> impl Iterator<Item = &mut FileNode> {
        let files = self.nodes.values_mut().filter_map(|node| match node {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        });
        files.filter(|file| file.is_dirty())
    }

    /// Keeps what the disk holds, and of what was not synced what the dice say.
    pub(super) fn lose_power(&mut self, dice: &mut Dice) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => file.lose_power(dice),
                Node::Directory(directory) => {
                    let kept = dice.below(directory.unsynced.len() as u64 + 1) as usize;
                    directory.keep(kept);
                    directory.unsynced.clear();
                    directory.entries = directory.durable.clone();
                }
            }
        }
        self.forget_unreachable();
    }

    /// Drops removed files that neither the process nor the disk can reach; only while no file is open.
    pub(super) fn forget_unreachable(&mut self) {
        let mut reachable = BTreeSet::new();
        let mut open = vec![ROOT];
        while let Some(node) = open.pop() {
            if reachable.insert(node)
                && let Some(Node::Directory(directory)) = self.nodes.get(&node)
            {
                open.extend(directory.entries.values().chain(directory.durable.values()));
                // A lost rename or removal may bring back what an unsynced link still names.
                open.extend(directory.unsynced.iter().filter_map(|change| match change {
                    EntryChange::Link { node, .. } => Some(*node),
                    EntryChange::Unlink { .. } | EntryChange::Rename { .. } => None,
                }));
            }
        }
        self.nodes.retain(|node, _| reachable.contains(node));
    }

    /// Paths of all files that the process sees, sorted.
    pub(super) fn files(&self) -> Vec<(PathBuf, NodeId)> {
        self.walk(|directory| &directory.entries)
    }

    /// Paths of all files whose directory entries are durable, sorted.
    pub(super) fn durable_files(&self) -> Vec<(PathBuf, NodeId)> {
        self.walk(|directory| &directory.durable)
    }

    fn walk(&self, entries: impl Fn(&Directory) -> &BTreeMap<OsString, NodeId>) -> Vec<(PathBuf, NodeId)> {
        let mut files = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, node)) = open.pop() {
            match self.nodes.get(&node) {
                Some(Node::Directory(directory)) => {
                    open.extend(entries(directory).iter().map(|(name, node)| (path.join(name), *node)));
                }
                Some(Node::File(_)) => files.push((path, node)),
                None => {}
            }
        }
        files.sort();
        files
    }

    /// Room that all files take, in bytes.
    pub(super) fn used_bytes(&self) -> u64 {
        self.files().iter().filter_map(|(_, node)| self.file(*node).ok()).map(FileNode::disk_bytes).sum()
    }
}

/// The names on the way from the root to `path`; a relative path starts at the root too.
fn names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_os_string()),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}
