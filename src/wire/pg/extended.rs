//! The extended protocol: statements with parameters, portals that are read in pieces.

use std::sync::Arc;

use arrow::array::timezone::Tz;

use super::answer::PieceEnd;
use super::answer::RowCursor;
use super::conversation::Conversation;
use super::frontend::Bind;
use super::frontend::Format;
use super::frontend::Message;
use super::frontend::Target;
use super::parameter::ParameterType;
use super::parameter::decode;
use super::parameter::statement_text;
use super::pg_type::INTERVAL;
use super::pg_type::OIDS;
use super::pg_type::PgType;
use super::pg_type::UNKNOWN;
use super::pg_type::UUID;
use super::pg_type::declared_parameter;
use super::row::ResultFormats;
use super::socket::Failure;
use crate::engine::Outcome;
use crate::engine::OutputField;
use crate::engine::Prepared;
use crate::engine::Value;
use crate::engine::type_question;
use crate::error::Error;
use crate::error::SqlState;
use crate::model::SqlType;

/// A prepared statement.
#[derive(Clone)]
pub(super) struct Statement {
    /// `None` for an empty text.
    prepared: Option<Prepared>,
    parameters: Vec<(u32, crate::model::SqlType)>,
    fields: Option<Arc<[OutputField]>>,
}

/// A statement with its parameters, and how far it has run.
pub(super) struct Portal {
    fields: Option<Arc<[OutputField]>>,
    formats: ResultFormats,
    state: PortalState,
}

enum PortalState {
    Bound {
        prepared: Option<Prepared>,
        parameters: Vec<Value>,
    },
    Reading(Box<RowCursor>),
    /// All rows were sent; asked again, it has none.
    Exhausted(&'static str),
    /// Not a query: it cannot run twice.
    Done,
}

impl Conversation {
    /// One message of the extended protocol other than Sync and Flush.
    pub async fn extended(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Parse { name, text, parameter_types } => {
                let text = statement_text(text)?;
                match type_question(&text) {
                    Some(reworded) => self.parse(name, reworded, &[OIDS]).await,
                    None => self.parse(name, &text, &parameter_types).await,
                }
            }
            Message::Bind(bind) => Ok(self.bind(bind)?),
            Message::Describe(Target::Statement(name)) => Ok(self.describe_statement(&name)?),
            Message::Describe(Target::Portal(name)) => Ok(self.describe_portal(&name)?),
            Message::Execute { portal, rows_max } => {
                self.execute_portal(portal, u64::try_from(rows_max).ok().filter(|rows| *rows != 0)).await
            }
            Message::Close(target) => {
                match target {
                    Target::Statement(name) => drop(self.statements.remove(&name)),
                    Target::Portal(name) => drop(self.portals.remove(&name)),
                }
                self.socket.outgoing.close_complete();
                Ok(())
            }
            other => Err(Error::internal(format!("{other:?} is not of the extended protocol")).into()),
        }
    }

    async fn parse(&mut self, name: String, text: &str, declared: &[u32]) -> Result<(), Failure> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(SqlState("42P05"), message).into());
        }
        if self.limits.prepared_statements_max <= self.statements.len() && !self.statements.contains_key(&name) {
            let message = format!("a session may hold {} prepared statements", self.limits.prepared_statements_max);
            let error = Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message);
            return Err(error.hint("Close some, or raise limits.prepared_statements_max.").into());
        }
        let mut statements = self.session.parse(text)?;
        if 1 < statements.len() {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).into());
        }
        let statement = match statements.pop() {
            None => Statement { prepared: None, parameters: Vec::new(), fields: None },
            Some(prepared) => self.prepare(prepared, declared).await?,
        };
        self.statements.insert(name, statement);
        self.socket.outgoing.parse_complete();
        Ok(())
    }

    async fn prepare(&mut self, prepared: Prepared, declared: &[u32]) -> Result<Statement, Failure> {
        let known: Vec<_> = declared.iter().map(|oid| declared_parameter(*oid)).collect();
        let intervals = (1..).zip(declared).filter(|(_, oid)| **oid == INTERVAL).map(|(number, _)| number);
        let prepared = prepared.with_intervals(&intervals.collect::<Vec<_>>());
        let description = self.session.describe(&prepared, &known);
        let description = self.socket.guarded(&mut self.guard, description).await??;
        self.news();
        let oid = |(index, sql_type)| match declared.get(index) {
            Some(oid) if *oid != 0 && *oid != UNKNOWN => (*oid, sql_type),
            _ if description.uuids.contains(&(index + 1)) && sql_type == SqlType::Text => (UUID, sql_type),
            _ => (PgType::of(&sql_type).oid, sql_type),
        };
        let parameters = description.params.iter().cloned().enumerate().map(oid).collect();
        Ok(Statement { prepared: Some(prepared), parameters, fields: description.fields.map(Arc::from) })
    }

    fn bind(&mut self, bind: Bind) -> Result<(), Error> {
        let Some(statement) = self.statements.get(&bind.statement) else { return Err(no_statement(&bind.statement)) };
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            let message = format!("portal \"{}\" already exists", bind.portal);
            return Err(Error::new(SqlState::DUPLICATE_CURSOR, message));
        }
        if self.limits.portals_max <= self.portals.len() && !self.portals.contains_key(&bind.portal) {
            let message = format!("a session may hold {} portals", self.limits.portals_max);
            let error = Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message);
            return Err(error.hint("Close some, or raise limits.portals_max."));
        }
        let parameters = values(statement, &bind, self.session.zone())?;
        let columns = statement.fields.as_ref().map_or(0, |fields| fields.len());
        let formats = ResultFormats::new(bind.result_formats, columns)?;
        let state = PortalState::Bound { prepared: statement.prepared.clone(), parameters };
        let portal = Portal { fields: statement.fields.clone(), formats, state };
        self.portals.insert(bind.portal, portal);
        self.socket.outgoing.bind_complete();
        Ok(())
    }

    fn describe_statement(&mut self, name: &str) -> Result<(), Error> {
        let Some(statement) = self.statements.get(name) else { return Err(no_statement(name)) };
        let oids: Vec<u32> = statement.parameters.iter().map(|(oid, _)| *oid).collect();
        self.socket.outgoing.parameter_description(&oids);
        match &statement.fields {
            Some(fields) => self.socket.outgoing.row_description(fields, |_| Format::Text),
            None => self.socket.outgoing.no_data(),
        }
        Ok(())
    }

    fn describe_portal(&mut self, name: &str) -> Result<(), Error> {
        if let Some(portal) = self.portals.get(name) {
            match &portal.fields {
                Some(fields) => self.socket.outgoing.row_description(fields, |index| portal.formats.of(index)),
                None => self.socket.outgoing.no_data(),
            }
            return Ok(());
        }
        // A cursor of DECLARE is a portal too: psycopg 3 describes it so.
        match self.session.describe_cursor(name) {
            Some(fields) => self.socket.outgoing.row_description(&fields, |_| Format::Text),
            None => return Err(no_portal(name)),
        }
        Ok(())
    }

    async fn execute_portal(&mut self, name: String, rows_max: Option<u64>) -> Result<(), Failure> {
        // Out of the map while it runs: an error or a cancel leaves it out, as it must.
        let Some(mut portal) = self.portals.remove(&name) else { return Err(no_portal(&name).into()) };
        portal.state = self.run_portal(portal.state, &name, (&portal.fields, &portal.formats), rows_max).await?;
        self.portals.insert(name, portal);
        Ok(())
    }

    async fn run_portal(
        &mut self,
        state: PortalState,
        name: &str,
        (described, formats): (&Option<Arc<[OutputField]>>, &ResultFormats),
        rows_max: Option<u64>,
    ) -> Result<PortalState, Failure> {
        let mut cursor = match state {
            PortalState::Bound { prepared: None, .. } => {
                self.socket.outgoing.empty_query();
                return Ok(PortalState::Bound { prepared: None, parameters: Vec::new() });
            }
            PortalState::Bound { prepared: Some(prepared), parameters } => {
                match self.execute(&prepared, &parameters).await? {
                    Outcome::Rows { fields, rows, tag, .. } => {
                        as_described(described.as_deref().unwrap_or_default(), &fields)?;
                        Box::new(RowCursor::new(rows, fields, formats.clone(), tag))
                    }
                    Outcome::Done { tag } => {
                        self.socket.outgoing.command_complete(&tag);
                        return Ok(PortalState::Done);
                    }
                    Outcome::Empty => {
                        self.socket.outgoing.empty_query();
                        return Ok(PortalState::Done);
                    }
                    Outcome::CopyOut(copy) => {
                        self.answer_copy_out(copy).await?;
                        return Ok(PortalState::Done);
                    }
                    Outcome::CopyOutRows(copy) => {
                        self.answer_copy_out_binary(copy).await?;
                        return Ok(PortalState::Done);
                    }
                    Outcome::CopyIn(sink) => {
                        self.answer_copy_in(*sink).await?;
                        return Ok(PortalState::Done);
                    }
                }
            }
            PortalState::Reading(cursor) => {
                // A timeout counts from each Execute, as its statement's clock does.
                self.guard.timeout = self.session.statement_timeout().map(|timeout| self.clock.sleep(timeout));
                cursor
            }
            PortalState::Exhausted(tag) => {
                self.socket.outgoing.command_complete(&format!("{tag} 0"));
                return Ok(PortalState::Exhausted(tag));
            }
            PortalState::Done => {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message).into());
            }
        };
        let (count, end) = cursor.send(&mut self.socket, &mut self.guard, rows_max).await?;
        match end {
            PieceEnd::Suspended => {
                self.socket.outgoing.portal_suspended();
                Ok(PortalState::Reading(cursor))
            }
            PieceEnd::Exhausted => {
                self.socket.outgoing.command_complete(&format!("{} {count}", cursor.tag()));
                Ok(PortalState::Exhausted(cursor.tag()))
            }
        }
    }
}

fn values(statement: &Statement, bind: &Bind, zone: Tz) -> Result<Vec<Value>, Error> {
    let wanted = statement.parameters.len();
    if bind.parameters.len() != wanted {
        let message = format!("{} parameters were bound to a statement that has {wanted}", bind.parameters.len());
        return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
    }
    let formats = &bind.parameter_formats;
    if 1 < formats.len() && formats.len() != wanted {
        let message = format!("{} parameter formats were given for {wanted} parameters", formats.len());
        return Err(Error::new(SqlState::PROTOCOL_VIOLATION, message));
    }
    let format = |index: usize| match &formats[..] {
        [] => Format::Text,
        [all] => *all,
        each => each[index],
    };
    let value = |(index, (oid, sql_type)): (usize, &(u32, crate::model::SqlType))| {
        let wanted = ParameterType { oid: *oid, sql_type: sql_type.clone() };
        decode(index + 1, bind.parameters[index].as_ref(), format(index), &wanted, zone)
    };
    statement.parameters.iter().enumerate().map(value).collect()
}

/// Clients read rows by what they were told of the columns; drivers prepare the statement again after this very error.
fn as_described(described: &[OutputField], fields: &[OutputField]) -> Result<(), Error> {
    let oid = |field: &OutputField| PgType::of_field(field).oid;
    match described.iter().map(oid).eq(fields.iter().map(oid)) {
        true => Ok(()),
        false => Err(Error::unsupported("cached plan must not change result type")),
    }
}

fn no_statement(name: &str) -> Error {
    let message = match name {
        "" => "unnamed prepared statement does not exist".to_string(),
        name => format!("prepared statement \"{name}\" does not exist"),
    };
    Error::new(SqlState::INVALID_SQL_STATEMENT_NAME, message)
}

fn no_portal(name: &str) -> Error {
    Error::new(SqlState::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}
