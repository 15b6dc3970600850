//! What a text asks for, before any name is looked up. One statement per file, one line per statement in `STATEMENTS`.

mod alter;
mod assert;
mod close;
mod conflict;
mod copy;
mod create;
mod create_type;
mod deallocate;
mod declare;
mod define;
mod delete;
mod describe;
mod discard;
mod drop;
mod explain;
mod fetch;
mod index;
mod insert;
mod name;
mod pause;
mod prepare;
mod print;
mod refresh;
mod refused;
mod returning;
mod select;
mod set;
mod show;
mod temporary;
mod terminate;
mod transaction;
mod truncate;
mod unlisten;
mod update;
mod view;

pub use alter::AddedColumn;
pub use alter::AlterAction;
pub use alter::AlterRelation;
pub use assert::AssertTopic;
pub use conflict::ConflictAction;
pub use conflict::ConflictTarget;
pub use conflict::OnConflict;
pub use copy::CopyFormat;
pub use copy::CopyHeader;
pub use copy::CopySource;
pub use copy::Forced;
pub use copy::Quoting;
pub use create::ColumnDefault;
pub use create::ColumnDefinition;
pub use create::CreateAs;
pub use create::CreateSource;
pub use create::DeclaredIdentity;
pub use create::DeclaredRole;
pub use create::ObjectKind;
pub use create::WithOption;
pub use create_type::CreateType;
pub use create_type::DropType;
pub use delete::Delete;
pub use drop::DropRelation;
pub use explain::ExplainTarget;
pub use fetch::FetchDirection;
pub use index::CreateIndex;
pub use index::DropIndex;
pub use insert::InsertClauses;
pub use insert::InsertRows;
pub use insert::InsertSelect;
pub use insert::is_default;
pub use name::Name;
pub use name::NamedSchema;
pub use prepare::Prepare;
pub use print::Print;
pub use returning::Returning;
pub use select::Emit;
pub use select::Select;
pub use set::SetScope;
pub use show::ShowObject;
pub use temporary::OnCommit;
pub use temporary::temporary_schema;
pub use transaction::TransactionMode;
pub use truncate::TruncateTopic;
pub use update::Assignment;
pub use update::Update;
pub use view::CreateView;
pub use view::DropView;
pub use view::Rename;

use sqlparser::ast;

use super::cursor::Cursor;
use super::nearest;
use crate::error::Result;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Nothing: an empty text or only comments.
    Empty,
    /// A stream or table over a topic.
    CreateSource(CreateSource),
    /// A relation that a query keeps.
    CreateAs(CreateAs),
    /// An index is asked for.
    CreateIndex(CreateIndex),
    /// Indexes go.
    DropIndex(DropIndex),
    /// A name for a type.
    CreateType(CreateType),
    /// The name goes.
    DropType(DropType),
    /// A name for a query.
    CreateView(CreateView),
    /// Such names go.
    DropView(DropView),
    /// One changes.
    Rename(Rename),
    /// A relation's topic is kept otherwise.
    Alter(AlterRelation),
    /// `ALTER QUERY name REBUILD`: what a query keeps is made again from the log.
    RebuildQuery(Name),
    /// A relation goes.
    Drop(DropRelation),
    /// Rows of a table change.
    Update(Update),
    /// Rows of a table go.
    Delete(Delete),
    /// Rows.
    InsertRows(InsertRows),
    /// Rows of a query.
    InsertSelect(InsertSelect),
    /// A pull query, or a push query when `emit` is there.
    Select(Select),
    /// `EXPLAIN [ANALYZE] ..`
    Explain {
        /// Run it, and tell what it cost.
        analyze: bool,
        /// As one JSON document.
        json: bool,
        /// What is explained.
        target: ExplainTarget,
    },
    /// `DESCRIBE name`
    Describe(Name),
    /// `DESCRIBE name EXTENDED`
    DescribeExtended(Name),
    /// `DESCRIBE FUNCTION name`
    DescribeFunction(Name),
    /// `ASSERT TOPIC ..`
    AssertTopic(AssertTopic),
    /// `PRINT topic ..`
    Print(Print),
    /// `SHOW ..`
    Show(ShowObject),
    /// `SET [SESSION|LOCAL] name = value`; `None` is DEFAULT.
    Set {
        /// For how long.
        scope: SetScope,
        /// The setting, lower case.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// `SET TRANSACTION ..`, `SET SESSION CHARACTERISTICS AS TRANSACTION ..`
    SetModes(SetScope, Vec<TransactionMode>),
    /// `RESET name`, or `RESET ALL` as `None`.
    Reset(Option<String>),
    /// `COPY .. TO STDOUT`
    CopyTo {
        /// What is read.
        source: CopySource,
        /// How it is written.
        format: CopyFormat,
    },
    /// `COPY name [(columns)] FROM STDIN`
    CopyFrom {
        /// The relation.
        target: Name,
        /// The named columns, empty for all.
        columns: Vec<Name>,
        /// How it is read.
        format: CopyFormat,
    },
    /// `DECLARE name CURSOR FOR select`
    Declare {
        /// The cursor.
        name: Name,
        /// It outlives its transaction.
        hold: bool,
        /// Its query.
        select: Select,
    },
    /// `FETCH n FROM name`
    Fetch {
        /// The cursor.
        name: Name,
        /// How many.
        direction: FetchDirection,
    },
    /// `MOVE n FROM name`
    Move {
        /// The cursor.
        name: Name,
        /// How many.
        direction: FetchDirection,
    },
    /// `CLOSE name`, or `CLOSE ALL` as `None`.
    Close(Option<Name>),
    /// `BEGIN`, `START TRANSACTION`; the tag to answer.
    Begin(&'static str, Vec<TransactionMode>),
    /// `COMMIT`, `END`
    Commit,
    /// `ROLLBACK`, `ABORT`
    Rollback,
    /// `SAVEPOINT name`
    Savepoint(Name),
    /// `RELEASE SAVEPOINT name`
    ReleaseSavepoint(Name),
    /// `ROLLBACK TO SAVEPOINT name`
    RollbackToSavepoint(Name),
    /// `TERMINATE name`, or `TERMINATE ALL` as `None`: a standing query ends, what it wrote stays.
    Terminate(Option<Name>),
    /// `PAUSE name`, or `PAUSE ALL` as `None`: a standing query stands still.
    Pause(Option<Name>),
    /// `RESUME name`, or `RESUME ALL` as `None`: it goes on.
    Resume(Option<Name>),
    /// `DEFINE name = 'value'`; `None` is UNDEFINE.
    Define {
        /// The variable.
        name: Name,
        /// What stands for `${name}`.
        value: Option<String>,
    },
    /// `PREPARE name AS ..`
    Prepare(Prepare),
    /// `EXECUTE name (..)`
    Execute {
        /// The prepared statement.
        name: Name,
        /// The values of its parameters.
        arguments: Vec<ast::Expr>,
    },
    /// `TRUNCATE TOPIC ..`: a topic's oldest records go.
    Truncate(TruncateTopic),
    /// `REFRESH MATERIALIZED VIEW name`: it is up to date.
    Refresh(Name),
    /// `TRUNCATE [TABLE] name, ..`: all rows of tables go.
    TruncateTables {
        /// The tables.
        names: Vec<Name>,
        /// Whether numbers that are given begin again.
        restart: bool,
    },
    /// `DEALLOCATE name`, or `DEALLOCATE ALL` as `None`.
    Deallocate(Option<Name>),
    /// `DISCARD ALL`
    DiscardAll,
    /// `DISCARD TEMP`
    DiscardTemporary,
    /// `UNLISTEN *` and such, which drivers send and which change nothing here; the tag to answer.
    Ignored(&'static str),
}

type Parse = fn(&mut Cursor<'_>) -> Result<Statement>;

/// The word that starts a statement, and what reads the rest of it.
const STATEMENTS: &[(&str, Parse)] = &[
    ("ABORT", transaction::rollback),
    ("ALTER", alter::parse),
    ("ASSERT", assert::parse),
    ("BEGIN", transaction::begin),
    ("CLOSE", close::parse),
    ("COMMIT", transaction::commit),
    ("COPY", copy::parse),
    ("CREATE", create::parse),
    ("DEALLOCATE", deallocate::parse),
    ("DECLARE", declare::parse),
    ("DEFINE", define::define),
    ("DELETE", delete::parse),
    ("DESCRIBE", describe::parse),
    ("DISCARD", discard::parse),
    ("DROP", drop::parse),
    ("END", transaction::commit),
    ("EXECUTE", prepare::execute),
    ("EXPLAIN", explain::parse),
    ("FETCH", fetch::parse),
    ("INSERT", insert::parse),
    ("LIST", show::parse),
    ("MOVE", fetch::parse_move),
    ("PAUSE", pause::pause),
    ("PREPARE", prepare::prepare),
    ("PRINT", print::parse),
    ("REFRESH", refresh::parse),
    ("RELEASE", transaction::release),
    ("RESET", set::reset),
    ("RESUME", pause::resume),
    ("ROLLBACK", transaction::rollback),
    ("SAVEPOINT", transaction::savepoint),
    ("SET", set::parse),
    ("SHOW", show::parse),
    ("START", transaction::start),
    ("TERMINATE", terminate::parse),
    ("TRUNCATE", truncate::parse),
    ("UNDEFINE", define::undefine),
    ("UNLISTEN", unlisten::parse),
    ("UNSET", set::reset),
    ("UPDATE", update::parse),
];

/// Reads one statement, up to its end.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if cursor.at_query() {
        return select::parse(cursor);
    }
    for (word, parse) in STATEMENTS {
        if cursor.word(word) {
            return parse(cursor);
        }
    }
    refused::refuse(cursor)?;
    let first = cursor.peek().token.to_string();
    let known = STATEMENTS.iter().map(|(word, _)| *word).chain(["SELECT", "WITH", "VALUES"]);
    let error = cursor.unexpected("a statement");
    Err(match nearest(&first, known) {
        Some(word) => error.hint(format!("Did you mean {word}?")),
        None => error,
    })
}
