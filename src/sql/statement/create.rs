//! `CREATE STREAM|TABLE|MATERIALIZED VIEW`, over a topic or as a query.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::Name;
use super::OnCommit;
use super::Select;
use super::Statement;
use super::create_type;
use super::index;
use super::refused;
use super::temporary;
use super::view;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::sql::cursor::Cursor;

/// What a CREATE or DROP is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `STREAM`
    Stream,
    /// `TABLE`
    Table,
    /// `MATERIALIZED VIEW`: a table that a query keeps
    MaterializedView,
}

/// Which part of a record a declared column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredRole {
    /// In the value.
    Value,
    /// `KEY`
    Key,
    /// `PRIMARY KEY`
    PrimaryKey,
    /// `HEADERS`
    Headers,
    /// `HEADER('name')`
    Header(String),
}

/// A column as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    /// The name.
    pub name: Name,
    /// The type, in sqlparser's words; `catalog::sql_type` turns it into ours.
    pub data_type: ast::DataType,
    /// Key or value.
    pub role: DeclaredRole,
    /// Where NOT NULL stands, if it does.
    pub not_null: Option<Position>,
    /// What rows have whose statement tells no value; `None` is NULL.
    pub default: Option<ColumnDefault>,
    /// `SERIAL`, or `GENERATED .. AS IDENTITY`.
    pub identity: Option<DeclaredIdentity>,
}

/// `GENERATED ALWAYS | BY DEFAULT AS IDENTITY [(START WITH number)]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredIdentity {
    /// Where it stands.
    pub position: Position,
    /// `ALWAYS`
    pub always: bool,
    /// The first number.
    pub start: i64,
}

/// `DEFAULT expression`
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefault {
    /// Where the expression stands.
    pub position: Position,
    /// The expression.
    pub expression: ast::Expr,
    /// Its text, as it was written.
    pub text: String,
}

/// One `name = value` of a WITH clause; numbers and booleans as their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithOption {
    /// The name.
    pub name: Name,
    /// The value, without quotes.
    pub value: String,
}

/// `CREATE [OR REPLACE] [SOURCE] STREAM|TABLE [IF NOT EXISTS] name (columns) WITH (options)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    /// Stream or table.
    pub kind: ObjectKind,
    /// `OR REPLACE`
    pub or_replace: bool,
    /// `SOURCE`: nobody writes it here.
    pub read_only: bool,
    /// `TEMP`: it is its session's alone.
    pub temporary: Option<OnCommit>,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The relation.
    pub name: Name,
    /// Its columns, none if there is no list of them; a trailing `PRIMARY KEY (a, b)` is already folded into their roles.
    pub columns: Vec<ColumnDefinition>,
    /// The WITH clause.
    pub options: Vec<WithOption>,
}

/// `CREATE [OR REPLACE] STREAM|TABLE|MATERIALIZED VIEW [IF NOT EXISTS] name [WITH (options)] AS select`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateAs {
    /// Stream, table or materialized view.
    pub kind: ObjectKind,
    /// `OR REPLACE`
    pub or_replace: bool,
    /// `TEMP`: it is its session's alone.
    pub temporary: Option<OnCommit>,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The relation.
    pub name: Name,
    /// The WITH clause.
    pub options: Vec<WithOption>,
    /// The query.
    pub select: Select,
    /// `WITH NO DATA`: only the query's columns are taken.
    pub no_data: bool,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let or_replace = cursor.words(&["OR", "REPLACE"]);
    let read_only = cursor.is_word_at(0, "SOURCE") && (cursor.is_word_at(1, "STREAM") || cursor.is_word_at(1, "TABLE"));
    if read_only {
        cursor.step();
    }
    if !or_replace && !read_only && cursor.word("TYPE") {
        return create_type::create(cursor);
    }
    if !read_only && cursor.word("VIEW") {
        return view::create(cursor, or_replace);
    }
    if !or_replace && cursor.is_word_at(0, "SCHEMA") {
        return schema(cursor);
    }
    if !or_replace
        && !read_only
        && let Some(index) = index::create(cursor)?
    {
        return Ok(index);
    }
    let temporary = if or_replace || read_only { None } else { temporary::words(cursor)? };
    if refused::is_connector(cursor) {
        return Err(refused::connector("CREATE", cursor.position()));
    }
    let Some(kind) = object_kind(cursor) else { return Err(refuse(cursor)) };
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.relation_name()?;
    let temporary = temporary.or_else(|| temporary::of_schema(&name));
    if temporary.is_some() && (kind != ObjectKind::Table || or_replace || read_only) {
        return Err(temporary::only_a_table(name.position));
    }
    let columns = match cursor.peek().token {
        Token::LParen => Some(columns(cursor)?),
        _ => None,
    };
    let options = if cursor.word("WITH") { with_options(cursor)? } else { Vec::new() };
    let temporary = temporary::on_commit(cursor, temporary)?;
    let query_position = cursor.position();
    if read_only && cursor.is_word_at(0, "AS") {
        return Err(cursor.unexpected("columns and WITH"));
    }
    if cursor.word("AS") {
        if columns.is_some() {
            return Err(Error::unsupported("a query cannot have a list of columns before AS")
                .at(query_position)
                .hint("Name the columns with AS in the SELECT list."));
        }
        let select = cursor.select()?;
        let no_data = no_data(cursor, temporary)?;
        let create = CreateAs { kind, or_replace, temporary, if_not_exists, name, options, select, no_data };
        return Ok(Statement::CreateAs(create));
    }
    match (&columns, kind) {
        (Some(_), ObjectKind::MaterializedView) => Err(cursor.unexpected("AS and a query")),
        (None, ObjectKind::MaterializedView) => Err(cursor.unexpected("AS")),
        (None, _) if options.is_empty() => Err(cursor.unexpected("columns, WITH or AS")),
        _ => {
            let columns = columns.unwrap_or_default();
            let create = CreateSource { kind, or_replace, read_only, temporary, if_not_exists, name, columns, options };
            Ok(Statement::CreateSource(create))
        }
    }
}

/// `WITH [NO] DATA`: a query that stands has data in any case.
fn no_data(cursor: &mut Cursor<'_>, temporary: Option<OnCommit>) -> Result<bool> {
    let position = cursor.position();
    if cursor.words(&["WITH", "DATA"]) || !cursor.words(&["WITH", "NO", "DATA"]) {
        return Ok(false);
    }
    match temporary {
        Some(_) => Ok(true),
        None => Err(Error::unsupported("WITH NO DATA is supported for temporary tables only").at(position)),
    }
}

/// `CREATE SCHEMA IF NOT EXISTS public`, which clients say before they create anything: it exists.
fn schema(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let position = cursor.position();
    cursor.step();
    let if_not_exists = cursor.words(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name()?;
    match (name.value.eq_ignore_ascii_case("public"), if_not_exists) {
        (true, true) => Ok(Statement::Ignored("CREATE SCHEMA")),
        (true, false) => Err(Error::new(SqlState("42P06"), "schema \"public\" already exists").at(name.position)),
        (false, _) => Err(Error::unsupported("CREATE SCHEMA is not supported")
            .at(position)
            .hint("Streams, tables and views live in the schema public.")),
    }
}

/// What to write instead of what PostgreSQL has.
const INSTEAD: [(&[&str], &str); 3] = [
    (&["RECURSIVE"], "WITH RECURSIVE stands in the query of a view."),
    (&["SEQUENCE"], "A SERIAL column numbers the rows of its table."),
    (&["UNLOGGED"], "CREATE TABLE, or CREATE TEMP TABLE for what goes with the session."),
];

fn refuse(cursor: &Cursor<'_>) -> Error {
    const LATER: &[&str] = &[
        "ACCESS",
        "AGGREGATE",
        "CAST",
        "COLLATION",
        "CONVERSION",
        "DATABASE",
        "DOMAIN",
        "EVENT",
        "EXTENSION",
        "FOREIGN",
        "FUNCTION",
        "LANGUAGE",
        "OPERATOR",
        "POLICY",
        "PROCEDURE",
        "PUBLICATION",
        "RECURSIVE",
        "ROLE",
        "RULE",
        "SEQUENCE",
        "SERVER",
        "STATISTICS",
        "SUBSCRIPTION",
        "TABLESPACE",
        "TRIGGER",
        "UNLOGGED",
        "USER",
    ];
    match LATER.iter().find(|word| cursor.is_word_at(0, word)) {
        Some(word) => {
            let error = Error::unsupported(format!("CREATE {word} is not supported")).at(cursor.position());
            match INSTEAD.iter().find(|(words, _)| words.contains(word)) {
                Some((_, instead)) => error.hint(*instead),
                None => error,
            }
        }
        None => cursor.unexpected("STREAM, TABLE, VIEW or MATERIALIZED VIEW"),
    }
}

/// `STREAM`, `TABLE` or `MATERIALIZED VIEW`.
pub(super) fn object_kind(cursor: &mut Cursor<'_>) -> Option<ObjectKind> {
    if cursor.word("STREAM") {
        Some(ObjectKind::Stream)
    } else if cursor.word("TABLE") {
        Some(ObjectKind::Table)
    } else if cursor.words(&["MATERIALIZED", "VIEW"]) {
        Some(ObjectKind::MaterializedView)
    } else {
        None
    }
}

fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<ColumnDefinition>> {
    cursor.expect_symbol(&Token::LParen)?;
    let mut columns: Vec<ColumnDefinition> = Vec::new();
    let mut primary_key: Vec<Name> = Vec::new();
    loop {
        if cursor.word("CONSTRAINT") {
            cursor.name()?;
        }
        if cursor.is_word_at(0, "PRIMARY") && cursor.is_word_at(1, "KEY") {
            if !primary_key.is_empty() {
                return Err(cursor.unexpected("one PRIMARY KEY"));
            }
            cursor.words(&["PRIMARY", "KEY"]);
            primary_key = cursor.names()?;
        } else {
            refuse_constraint(cursor)?;
            columns.push(column(cursor)?);
        }
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)?;
    for key in primary_key {
        let alike = |column: &&mut ColumnDefinition| match column.name.quoted || key.quoted {
            true => column.name.value == key.value,
            false => column.name.value.eq_ignore_ascii_case(&key.value),
        };
        let column = columns.iter_mut().find(alike).ok_or_else(|| {
            Error::new(SqlState::UNDEFINED_COLUMN, format!("column \"{}\" named in key does not exist", key.value))
                .at(key.position)
        })?;
        if column.role != DeclaredRole::Value {
            let message = format!("column \"{}\" named in key is declared as something else", key.value);
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message).at(key.position));
        }
        column.role = DeclaredRole::PrimaryKey;
    }
    Ok(columns)
}

/// A table constraint that we cannot keep is refused; a column may still have one of these words as its name.
pub(super) fn refuse_constraint(cursor: &Cursor<'_>) -> Result<()> {
    let constraint = [("UNIQUE", ""), ("CHECK", ""), ("FOREIGN", "KEY"), ("EXCLUDE", ""), ("LIKE", "")];
    for (word, next) in constraint {
        if cursor.is_word_at(0, word) && (next.is_empty() || cursor.is_word_at(1, next)) {
            return Err(Error::unsupported(format!("constraint {word} is not supported")).at(cursor.position()));
        }
    }
    Ok(())
}

/// `name type [KEY | PRIMARY KEY | HEADERS | HEADER('name')] [NOT NULL] [DEFAULT expression | GENERATED .. AS IDENTITY]`
pub(super) fn column(cursor: &mut Cursor<'_>) -> Result<ColumnDefinition> {
    let name = cursor.name()?;
    let mut identity = None;
    let data_type = match serial(cursor) {
        Some((data_type, serial)) => {
            identity = Some(serial);
            data_type
        }
        None => cursor.data_type()?,
    };
    let (mut role, mut default) = (DeclaredRole::Value, None);
    let mut not_null = identity.map(|serial| serial.position);
    loop {
        let position = cursor.position();
        if let Some(declared) = declared_role(cursor)? {
            if role != DeclaredRole::Value {
                let message = "a column is one of KEY, PRIMARY KEY, HEADERS and HEADER";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
            role = declared;
        } else if cursor.words(&["NOT", "NULL"]) {
            not_null = Some(position);
        } else if cursor.word("DEFAULT") {
            if default.is_some() {
                let message = format!("multiple default values specified for column \"{}\"", name.value);
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
            default = Some(default_value(cursor)?);
        } else if cursor.is_word_at(0, "GENERATED") {
            if identity.replace(generated(cursor)?).is_some() {
                let message = format!("multiple identity specifications for column \"{}\"", name.value);
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
            not_null = Some(position);
        } else if !cursor.word("NULL") {
            break;
        }
    }
    for option in ["UNIQUE", "CHECK", "REFERENCES", "COLLATE", "CONSTRAINT"] {
        if cursor.is_word_at(0, option) {
            let error = Error::unsupported(format!("column option {option} is not supported"));
            return Err(error.at(cursor.position()));
        }
    }
    if let (Some(identity), true) = (&identity, default.is_some()) {
        let message = format!("both default and identity specified for column \"{}\"", name.value);
        return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(identity.position));
    }
    Ok(ColumnDefinition { name, data_type, role, not_null, default, identity })
}

/// PostgreSQL's types of numbers that are given.
fn serial(cursor: &mut Cursor<'_>) -> Option<(ast::DataType, DeclaredIdentity)> {
    let position = cursor.position();
    let data_type = if cursor.word("SERIAL") || cursor.word("SERIAL4") {
        ast::DataType::Int(None)
    } else if cursor.word("BIGSERIAL") || cursor.word("SERIAL8") {
        ast::DataType::BigInt(None)
    } else {
        return None;
    };
    Some((data_type, DeclaredIdentity { position, always: false, start: 1 }))
}

/// `GENERATED ALWAYS | BY DEFAULT AS IDENTITY [(START [WITH] number INCREMENT [BY] 1)]`
fn generated(cursor: &mut Cursor<'_>) -> Result<DeclaredIdentity> {
    let position = cursor.position();
    cursor.expect_word("GENERATED")?;
    let always = cursor.word("ALWAYS");
    if !always && !cursor.words(&["BY", "DEFAULT"]) {
        return Err(cursor.unexpected("ALWAYS or BY DEFAULT"));
    }
    cursor.expect_word("AS")?;
    if !cursor.word("IDENTITY") {
        let error = Error::unsupported("GENERATED is supported with AS IDENTITY only").at(cursor.position());
        return Err(error.hint("A view computes columns of others."));
    }
    let mut identity = DeclaredIdentity { position, always, start: 1 };
    if cursor.symbol(&Token::LParen) {
        while !cursor.symbol(&Token::RParen) {
            let option = cursor.position();
            if cursor.word("START") {
                cursor.word("WITH");
                let start = cursor.count()?;
                identity.start = i64::try_from(start).map_err(|_| cursor.unexpected("a smaller number"))?;
            } else if cursor.word("INCREMENT") {
                cursor.word("BY");
                if cursor.count()? != 1 {
                    return Err(Error::unsupported("numbers are given one by one").at(option).hint("INCREMENT BY 1."));
                }
            } else {
                return Err(
                    Error::unsupported("IDENTITY is supported with START WITH and INCREMENT BY 1 only").at(option)
                );
            }
        }
    }
    Ok(identity)
}

/// What stands behind DEFAULT.
pub(super) fn default_value(cursor: &mut Cursor<'_>) -> Result<ColumnDefault> {
    let position = cursor.position();
    let expression = cursor.expression_of_column()?;
    Ok(ColumnDefault { position, expression, text: cursor.text_since(position).trim_end().to_string() })
}

/// `KEY`, `PRIMARY KEY`, `HEADERS` or `HEADER('name')`, if one of them is next.
fn declared_role(cursor: &mut Cursor<'_>) -> Result<Option<DeclaredRole>> {
    if cursor.words(&["PRIMARY", "KEY"]) {
        return Ok(Some(DeclaredRole::PrimaryKey));
    }
    if cursor.word("KEY") {
        return Ok(Some(DeclaredRole::Key));
    }
    if cursor.word("HEADERS") {
        return Ok(Some(DeclaredRole::Headers));
    }
    if !cursor.word("HEADER") {
        return Ok(None);
    }
    cursor.expect_symbol(&Token::LParen)?;
    let name = cursor.string()?;
    cursor.expect_symbol(&Token::RParen)?;
    Ok(Some(DeclaredRole::Header(name)))
}

/// `(option = value, ..)`
pub(super) fn with_options(cursor: &mut Cursor<'_>) -> Result<Vec<WithOption>> {
    cursor.expect_symbol(&Token::LParen)?;
    let mut options = Vec::new();
    if cursor.symbol(&Token::RParen) {
        return Ok(options);
    }
    loop {
        let position = cursor.position();
        let name = match cursor.string_if_there() {
            Some(value) => Name { value, quoted: false, position, schema: None },
            None => cursor.name()?,
        };
        cursor.expect_symbol(&Token::Eq)?;
        options.push(WithOption { name, value: cursor.literal()? });
        if !cursor.symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)?;
    Ok(options)
}
