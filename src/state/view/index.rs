//! From key hash to row: a persistent trie. Clones share all nodes; a change copies the path to one leaf.

use std::sync::Arc;

const BRANCH_BITS: u32 = 4;
const BRANCH_CHILDREN: usize = 1 << BRANCH_BITS;
/// A leaf splits when it has more entries, as long as the hash has bits left.
const LEAF_ENTRIES_MAX: usize = 32;
const HASH_BITS: u32 = 64;

/// A row of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The page's slot.
    pub(super) slot: u32,
    /// The row within the page.
    pub(super) row: u32,
}

#[derive(Clone)]
struct Entry {
    hash: u64,
    place: Place,
}

#[derive(Clone)]
enum Node {
    Branch(Vec<Arc<Node>>),
    Leaf(Vec<Entry>),
}

/// Rows by the hash of their key; the key itself is in the page, so each search takes a test on places.
#[derive(Clone)]
pub(super) struct KeyIndex {
    root: Arc<Node>,
    length: usize,
}

impl KeyIndex {
    pub(super) fn new() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), length: 0 }
    }

    /// Rows in the index.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Memory that the index takes, about.
    pub(super) fn bytes(&self) -> usize {
        // Leaves are between a quarter and wholly full after splits by 16: two thirds of their room on average.
        self.length * size_of::<Entry>() * 3 / 2
    }

    /// The row of a key with this hash for which `holds` is true.
    pub(super) fn find(&self, hash: u64, holds: impl Fn(Place) -> bool) -> Option<Place> {
        let mut node = &self.root;
        let mut shift = 0;
        loop {
            match &**node {
                Node::Branch(children) => {
                    node = &children[child_of(hash, shift)];
                    shift += BRANCH_BITS;
                }
                Node::Leaf(entries) => {
                    let found = entries.iter().find(|entry| entry.hash == hash && holds(entry.place));
                    return found.map(|entry| entry.place);
                }
            }
        }
    }

    /// Names `place` as the row of a key; the row that held it before, if there was one.
    pub(super) fn put(&mut self, hash: u64, place: Place, holds: impl Fn(Place) -> bool) -> Option<Place> {
        let (entries, shift) = leaf_mut(&mut self.root, hash);
        if let Some(entry) = entries.iter_mut().find(|entry| entry.hash == hash && holds(entry.place)) {
            return Some(std::mem::replace(&mut entry.place, place));
        }
        entries.push(Entry { hash, place });
        self.length += 1;
        if LEAF_ENTRIES_MAX < entries.len() && shift < HASH_BITS {
            self.split(hash);
        }
        None
    }

    /// Forgets a key; the row that held it.
    pub(super) fn remove(&mut self, hash: u64, holds: impl Fn(Place) -> bool) -> Option<Place> {
        let (entries, _) = leaf_mut(&mut self.root, hash);
        let at = entries.iter().position(|entry| entry.hash == hash && holds(entry.place))?;
        self.length -= 1;
        Some(entries.swap_remove(at).place)
    }

    fn split(&mut self, hash: u64) {
        let mut node = &mut self.root;
        let mut shift = 0;
        loop {
            let inner = Arc::make_mut(node);
            if let Node::Leaf(entries) = inner {
                let mut children: Vec<Vec<Entry>> = vec![Vec::new(); BRANCH_CHILDREN];
                for entry in std::mem::take(entries) {
                    children[child_of(entry.hash, shift)].push(entry);
                }
                *inner = Node::Branch(children.into_iter().map(|entries| Arc::new(Node::Leaf(entries))).collect());
                return;
            }
            let Node::Branch(children) = inner else { return };
            node = &mut children[child_of(hash, shift)];
            shift += BRANCH_BITS;
        }
    }
}

fn child_of(hash: u64, shift: u32) -> usize {
    (hash >> shift) as usize % BRANCH_CHILDREN
}

/// The leaf of `hash`, copied with its path if another version shares it, and the hash bits used up on the way.
fn leaf_mut(root: &mut Arc<Node>, hash: u64) -> (&mut Vec<Entry>, u32) {
    let mut node = root;
    let mut shift = 0;
    loop {
        match Arc::make_mut(node) {
            Node::Branch(children) => {
                node = &mut children[child_of(hash, shift)];
                shift += BRANCH_BITS;
            }
            Node::Leaf(entries) => return (entries, shift),
        }
    }
}
