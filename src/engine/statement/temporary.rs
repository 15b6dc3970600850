//! Temporary tables: CREATE, the end of a transaction, DISCARD TEMP, and the schemas that tell them from others of their names.

use std::sync::Arc;

use sqlparser::ast;

use super::create_filled;
use super::create_source;
use super::delete;
use super::done;
use super::insert_select;
use crate::catalog::Catalog;
use crate::catalog::Change;
use crate::catalog::Compatibility;
use crate::catalog::Declared;
use crate::catalog::OnError;
use crate::catalog::Relation;
use crate::catalog::RelationOptions;
use crate::catalog::fold;
use crate::catalog::mean_permanent;
use crate::catalog::permanent_name;
use crate::cluster::CleanupPolicy;
use crate::cluster::FlushPolicy;
use crate::cluster::MetadataRecord;
use crate::cluster::TopicConfig;
use crate::cluster::TopicRecord;
use crate::engine::apart::run_apart;
use crate::engine::core::Engine;
use crate::engine::outcome::Notice;
use crate::engine::outcome::Outcome;
use crate::engine::prepared::Prepared;
use crate::engine::queries::record;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::RelationId;
use crate::model::SessionNumber;
use crate::model::TopicId;
use crate::security::Operation;
use crate::security::Resource;
use crate::security::authorize;
use crate::sql::CreateSource;
use crate::sql::Delete;
use crate::sql::ExplainTarget;
use crate::sql::Name;
use crate::sql::NamedSchema;
use crate::sql::Nodes;
use crate::sql::OnCommit;
use crate::sql::Select;
use crate::sql::Statement;
use crate::sql::temporary_schema;
use crate::sql::walk;

/// What a CREATE TEMP TABLE takes from its session.
struct Making {
    engine: Arc<Engine>,
    session: SessionNumber,
    create: CreateSource,
    name: String,
    options: RelationOptions,
    declared: Declared,
    statement: String,
    owner: String,
}

pub(super) async fn create(session: &mut Session, create: &CreateSource, text: &str) -> Result<Outcome> {
    let rules = session.settings.compatibility();
    if rules == Compatibility::Ksqldb {
        let message = "temporary tables are not supported under ksqlDB's rules";
        return Err(Error::unsupported(message).at(create.name.position).hint("SET compatibility = 'postgres'."));
    }
    let name = fold(&create.name, rules);
    authorize(&session.principal, Operation::Create, Resource::Relation(&name))?;
    if let Some(option) = create.options.first() {
        let message = format!("option \"{}\" is not for a temporary table", option.name.value.to_lowercase());
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(option.name.position));
    }
    let options = RelationOptions::read(&[])?;
    let making = Making {
        engine: Arc::clone(&session.engine),
        session: session.temporary.begin(),
        declared: create_source::declared(session, create, &options).await?,
        create: create.clone(),
        options,
        statement: text.to_string(),
        owner: session.principal.name().to_string(),
        name,
    };
    let name = making.name.clone();
    match run_apart(making.run()).await? {
        Some(table) => session.temporary.note(table, create.temporary.unwrap_or_default()),
        None => session.notice(Notice::new(format!("relation \"{name}\" already exists, skipping"))),
    }
    Ok(done("CREATE TABLE"))
}

impl Making {
    /// The table, `None` if it was there and may be.
    async fn run(self) -> Result<Option<RelationId>> {
        let _turn = self.engine.ddl().await;
        let made = self.engine.change(|_, catalog| self.records(catalog)).await?;
        if let Some(table) = made {
            self.engine.keep_without_query(table).await?;
        }
        Ok(made)
    }

    fn records(&self, catalog: &Catalog) -> Result<(Vec<MetadataRecord>, Option<RelationId>)> {
        let (name, at) = (&self.name, self.create.name.position);
        if catalog.seen_by(Some(self.session)).temporary(name).is_some() {
            return match self.create.if_not_exists {
                true => Ok((Vec::new(), None)),
                false => {
                    Err(Error::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")).at(at))
                }
            };
        }
        let most = self.engine.limits().temporary_tables_max;
        if most <= catalog.temporary_of(self.session).count() {
            let message = format!("a session may have {most} temporary tables");
            let error = Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message);
            return Err(error.at(at).hint("DROP some, or raise limits.temporary_tables_max."));
        }
        let id = catalog.next_relation_id();
        // It ends with the server: nothing is gained by waiting for the disk.
        let config = TopicConfig { flush: FlushPolicy::Os, ..TopicConfig::internal(CleanupPolicy::Compact) };
        let topic = TopicRecord {
            id: TopicId::from_random(self.engine.env().random.uuid_bytes()),
            name: format!("__tidemill.r{}.temporary", id.0),
            partitions: 1,
            config,
        };
        let table = Relation {
            session: Some(self.session),
            owns_topic: true,
            compatibility: Compatibility::Postgres,
            // Nobody else writes it.
            on_error: OnError::Skip,
            statement: self.statement.clone(),
            owner: self.owner.clone(),
            ..create_source::relation(catalog, name, &self.declared, &self.options, &topic)
        };
        Ok((vec![MetadataRecord::Topic(topic), record(Change::CreateRelation(Box::new(table)))], Some(id)))
    }
}

/// Does what ON COMMIT says, at the end of each transaction, however it ends.
pub(in crate::engine) async fn end_transaction(session: &mut Session) -> Result<()> {
    let tables = session.temporary.on_commit();
    if tables.is_empty() {
        return Ok(());
    }
    let catalog = session.catalog()?;
    for (id, on_commit) in tables {
        let Some(table) = catalog.relation_by_id(id) else {
            session.temporary.forget(id);
            continue;
        };
        if on_commit == OnCommit::Drop {
            drop_where(session, move |table| table.id == id).await?;
            session.temporary.forget(id);
            continue;
        }
        let target = Name { value: table.name.clone(), quoted: true, position: Position(1), schema: None };
        let delete = Delete { target, alias: None, using: Vec::new(), filter: None, returning: None };
        delete::execute(session, &delete, &[]).await?;
    }
    Ok(())
}

/// Drops all of the session's.
pub(super) async fn discard(session: &Session) -> Result<Outcome> {
    if let Some(number) = session.temporary.session() {
        drop_where(session, move |table| table.session == Some(number)).await?;
    }
    Ok(done("DISCARD TEMP"))
}

async fn drop_where(session: &Session, goes: impl Fn(&Relation) -> bool + Send + Sync + 'static) -> Result<()> {
    let engine = Arc::clone(&session.engine);
    run_apart(async move { engine.drop_temporary(goes).await }).await
}

/// The statement with names alone where schemas told temporary tables from others; `None` if it is that already. What others are
/// to read is refused if it names one.
pub(super) fn resolved(session: &Session, prepared: &Prepared) -> Result<Option<Prepared>> {
    let Some(number) = session.temporary.session() else {
        return Ok(names_schema(&prepared.text).then(|| without_tables(prepared)));
    };
    let catalog = session.catalog()?;
    if catalog.temporary_of(number).next().is_none() && !names_schema(&prepared.text) {
        return Ok(None);
    }
    let mut statement = prepared.statement.as_ref().clone();
    let rules = session.settings.compatibility();
    if let Some(read) = standing(session, &mut statement).map(|select| first_read(&catalog, select)) {
        let is_own = |name: &Name| match name.schema {
            Some(NamedSchema::Temporary(_)) => true,
            Some(NamedSchema::Public) => false,
            None => catalog.temporary(&fold(name, rules)).is_some(),
        };
        let written = statement.targets_mut().into_iter().find(|name| is_own(name)).map(|name| name.value.clone());
        let Some(name) = read.or(written) else { return Ok(None) };
        return Err(Error::unsupported(format!("a view or a standing query cannot use temporary table \"{name}\""))
            .detail("The table is its session's alone, and gone with it.")
            .hint("CREATE TABLE .. AS SELECT takes its rows once; INSERT INTO .. SELECT adds them to a table."));
    }
    let own = |schema: Option<SessionNumber>| schema.is_none_or(|told| told == number);
    for name in statement.targets_mut() {
        let folded = fold(name, rules);
        match (name.schema.take(), catalog.temporary(&folded)) {
            (Some(NamedSchema::Temporary(schema)), Some(_)) if own(schema) => {}
            (Some(NamedSchema::Temporary(_)), _) => *name = missing(name),
            (Some(NamedSchema::Public), Some(_)) => {
                *name = Name { value: permanent_name(&folded), quoted: true, ..name.clone() };
            }
            (Some(NamedSchema::Public) | None, _) => {}
        }
    }
    mean_permanent(&mut statement, &|name, has_schema| has_schema && catalog.temporary(name).is_some());
    statement.nodes_mut(&mut |node, _| {
        let walk::NodeMut::TableFactor(ast::TableFactor::Table { name, args: None, .. }) = node else { return };
        let [.., ast::ObjectNamePart::Identifier(schema), ast::ObjectNamePart::Identifier(table)] = name.0.as_slice()
        else {
            return;
        };
        let (schema, folded) = (temporary_schema(&schema.value.to_lowercase()), crate::plan::fold(table, rules));
        if let Some(NamedSchema::Temporary(schema)) = schema
            && own(schema)
            && catalog.temporary(&folded).is_some()
        {
            *name = ast::ObjectName::from(vec![table.clone()]);
        }
    });
    if let Some(select) = statement.select_mut() {
        select.text = select.ast.to_string();
    }
    Ok(Some(prepared.with_statement(Arc::new(statement))))
}

/// Whether a text may name the schema of temporary tables.
fn names_schema(text: &str) -> bool {
    let schema = b"pg_temp";
    text.as_bytes().windows(schema.len()).any(|part| part.eq_ignore_ascii_case(schema))
}

/// The statement of a session that has no temporary table: those that it acts on are not there.
fn without_tables(prepared: &Prepared) -> Prepared {
    let mut statement = prepared.statement.as_ref().clone();
    for name in statement.targets_mut() {
        if let Some(NamedSchema::Temporary(_)) = name.schema {
            *name = missing(name);
        }
    }
    prepared.with_statement(Arc::new(statement))
}

/// A name that nothing has, for an error or a notice that tells what was written.
fn missing(name: &Name) -> Name {
    Name { value: format!("pg_temp.{}", name.value), quoted: true, schema: None, ..name.clone() }
}

/// The query of a statement that goes on when its session is gone, or that all may read.
fn standing<'a>(session: &Session, statement: &'a mut Statement) -> Option<&'a mut Select> {
    let stands = match &*statement {
        Statement::CreateAs(create) => !create_filled::is_one(session, create),
        Statement::InsertSelect(insert) => insert_select::is_standing(session, insert),
        Statement::Explain { target: ExplainTarget::CreateAs(_), .. } => true,
        _ => false,
    };
    match statement {
        Statement::CreateView(create) => Some(&mut create.select),
        other => other.select_mut().filter(|select| stands || select.emit.is_some()),
    }
}

/// The first temporary table that a query names.
pub(super) fn first_read(catalog: &Catalog, select: &Select) -> Option<String> {
    let mut first = None;
    select.ast.clone().nodes_mut(&mut |node, place| {
        let walk::NodeMut::TableFactor(ast::TableFactor::Table { name, args: None, .. }) = node else { return };
        let found = match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(table)] if !place.gives(table) => {
                catalog.temporary(&crate::plan::fold(table, Compatibility::Postgres)).map(|table| table.name.clone())
            }
            [.., ast::ObjectNamePart::Identifier(schema), ast::ObjectNamePart::Identifier(table)] => {
                temporary_schema(&schema.value.to_lowercase()).map(|_| table.value.clone())
            }
            _ => None,
        };
        first = first.take().or(found);
    });
    first
}
