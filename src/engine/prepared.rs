//! A statement that was parsed and not yet run.

use std::sync::Arc;
use std::sync::OnceLock;

use super::read::KeyReadCache;
use crate::catalog::relations_named;
use crate::error::Position;
use crate::sql::Parsed;
use crate::sql::Prepare;
use crate::sql::Statement;
use crate::sql::line_and_column;
use crate::sql::named_types;
use crate::sql::read_as_intervals;

/// A parsed statement; cheap to clone. Names are looked up each time it is described or run; what was recognised of it is kept
/// while they mean the same.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its own text.
    pub text: String,
    /// Where it starts in the text that was parsed; positions of its errors count from that text's start.
    pub position: Position,
    /// The same as line and column.
    place: (usize, usize),
    pub(super) statement: Arc<Statement>,
    pub(super) by_key: KeyReadCache,
    /// Whether it has types with names that are not SQL's own, once somebody asked; clones share it.
    names_types: Arc<OnceLock<bool>>,
    /// The relations and views that its queries read, once somebody asked; clones share it.
    reads: Arc<OnceLock<Vec<String>>>,
    /// The numbers that stand in its text, if `statement` has parameters in their places.
    pub(super) numbers: Option<Arc<[String]>>,
}

/// What a DEALLOCATE names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deallocated {
    /// All statements.
    All,
    /// One, by its folded name.
    Named(String),
}

impl Prepared {
    /// This statement, which is a shape's, with its numbers: the statement of `text`.
    pub(super) fn with_numbers(&self, text: &str, numbers: Vec<String>) -> Self {
        Self { text: text.to_string(), numbers: Some(numbers.into()), ..self.clone() }
    }

    /// The statement that PREPARE names.
    pub(super) fn of(prepare: &Prepare) -> Self {
        let (text, position) = (prepare.text.clone(), prepare.name.position);
        Self::new(text, position, (1, 1), Arc::new(prepare.statement.as_ref().clone()))
    }

    /// The statement with parameters of these numbers, from 1, read as intervals.
    pub(crate) fn with_intervals(self, numbers: &[usize]) -> Self {
        if numbers.is_empty() {
            return self;
        }
        let mut statement = self.statement.as_ref().clone();
        read_as_intervals(&mut statement, numbers);
        self.with_statement(Arc::new(statement))
    }

    /// What it deallocates, if it is a DEALLOCATE: statements that the protocol prepared have names beside those of PREPARE.
    pub fn deallocated(&self) -> Option<Deallocated> {
        match self.statement.as_ref() {
            Statement::Deallocate(None) => Some(Deallocated::All),
            Statement::Deallocate(Some(name)) if name.quoted => Some(Deallocated::Named(name.value.clone())),
            Statement::Deallocate(Some(name)) => Some(Deallocated::Named(name.value.to_lowercase())),
            _ => None,
        }
    }

    /// Another statement in the place of this one.
    pub(super) fn with_statement(&self, statement: Arc<Statement>) -> Self {
        Self { numbers: self.numbers.clone(), ..Self::new(self.text.clone(), self.position, self.place, statement) }
    }

    /// The line and the column in the text that was parsed of a place that an error of this statement points at.
    pub(super) fn line_and_column(&self, position: Position) -> (usize, usize) {
        let inside = position.0.saturating_sub(self.position.0).saturating_add(1);
        let ((first_line, first_column), (line, column)) = (self.place, line_and_column(&self.text, Position(inside)));
        let column = if line == 1 { first_column + column - 1 } else { column };
        (first_line + line - 1, column)
    }

    /// Whether it has types with names that are not SQL's own.
    pub(super) fn names_types(&self) -> bool {
        *self.names_types.get_or_init(|| {
            let mut names = false;
            named_types(&mut self.statement.as_ref().clone(), &mut |_| names = true);
            names
        })
    }

    /// The names of the relations and views that its queries read, folded as PostgreSQL does.
    pub(super) fn reads(&self) -> &[String] {
        self.reads.get_or_init(|| relations_named(&mut self.statement.as_ref().clone()))
    }

    fn new(text: String, position: Position, place: (usize, usize), statement: Arc<Statement>) -> Self {
        let (by_key, names_types, reads) = (KeyReadCache::default(), Arc::default(), Arc::default());
        Self { text, position, place, statement, by_key, names_types, reads, numbers: None }
    }
}

impl From<Parsed> for Prepared {
    fn from(parsed: Parsed) -> Self {
        let Parsed { text, position, place, statement } = parsed;
        Self::new(text, position, place, Arc::new(statement))
    }
}
