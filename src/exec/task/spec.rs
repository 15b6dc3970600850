//! What all tasks of one fragment have in common, made once from the plan.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::DataType;
use datafusion::common::DFSchemaRef;
use datafusion::config::ConfigOptions;
use datafusion::physical_plan::ExecutionPlan;

use super::board::Board;
use super::board::BoardSize;
use super::board::Pace;
use super::board::Placement;
use super::decoded::Declaration;
use super::decoded::Decoders;
use super::decoded::Reader;
use crate::catalog::Compatibility;
use crate::catalog::EmitMode;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::catalog::RelationKind;
use crate::config;
use crate::error::Error;
use crate::exec::Changes;
use crate::exec::ExecError;
use crate::exec::Layout;
use crate::exec::hold::Holds;
use crate::exec::lower::Lowering;
use crate::exec::lower::codec_options;
use crate::exec::lower::format_spec;
use crate::exec::operators::TopicSpec;
use crate::exec::step_exec::TableName;
use crate::exec::step_exec::step_of;
use crate::format::CodecOptions;
use crate::format::Encoder;
use crate::format::EventTimeColumn;
use crate::format::FormatSpec;
use crate::format::WindowKeySize;
use crate::format::WrapSingle;
use crate::functions::Context;
use crate::functions::CutTime;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::QueryId;
use crate::model::TopicId;
use crate::model::TopicPartition;
use crate::plan::Edge;
use crate::plan::EdgeKind;
use crate::plan::Fragment;
use crate::plan::Leaf;
use crate::plan::Node;
use crate::plan::PseudoColumn;
use crate::plan::StandingPlan;
use crate::plan::Window;
use crate::plan::edge;
use crate::protocol::BatchLimits;
use crate::protocol::partition_for_key;

/// A standing query to be run.
#[derive(Clone)]
pub struct QuerySpec {
    /// Whose group holds the positions.
    pub id: QueryId,
    /// What is run.
    pub plan: Arc<StandingPlan>,
    /// What it writes.
    pub sink: Arc<Relation>,
    /// Its changelog and repartition topics: operator, role (`changelog` or `repartition`), topic.
    pub internal_topics: Vec<(OperatorId, String, TopicId)>,
    /// The other queries that write streams which it reads, with the topic: time waits for them.
    pub awaited: Vec<(TopicId, QueryId)>,
}

/// One fragment, ready to be run in tasks.
pub struct FragmentSpec {
    /// The query; 0 for a push query.
    pub query: QueryId,
    /// The fragment's place in the plan.
    pub index: usize,
    /// Which of the query's groups holds its positions: other fragments may read the same partitions.
    pub reader: usize,
    /// The operators.
    pub root: Arc<dyn ExecutionPlan>,
    /// What is read.
    pub leaves: Vec<LeafSpec>,
    /// State tables, with their changelog; none for a push query.
    pub tables: Vec<(TableName, Option<TopicId>)>,
    /// Where rows that come too late for an operator are kept, by operator.
    pub late: BTreeMap<OperatorId, TopicPartition>,
    /// What `now()` answers in its expressions.
    pub cut_time: CutTime,
    /// What decides whether a store fits.
    pub layout: String,
    /// The view that the sink keeps.
    pub view: Option<Arc<Relation>>,
    /// What is said of time in the stream that the sink writes; shared by all tasks.
    pub board: Option<Arc<Board>>,
    /// The limits of tasks.
    pub config: config::Exec,
    /// Whether records far ahead of the wall clock are bad.
    pub refuses_future: bool,
    /// Rows of one round: fewer where each leaves as many.
    pub round_rows_max: usize,
}

/// What a node's fragments have in common.
pub struct FragmentParts<'a> {
    /// What functions are handed.
    pub functions: &'a Arc<ConfigOptions>,
    /// Limits.
    pub config: &'a config::Exec,
    /// What inputs are decoded with.
    pub decoders: &'a Decoders,
}

/// Rows that leave in one round, about, where a row is in several windows and each row's changes leave at once.
const ROUND_OUTPUT_ROWS: usize = 65_536;

/// One input of a fragment.
pub struct LeafSpec {
    /// The topic.
    pub topic: TopicId,
    /// The topic's partitions.
    pub partitions: i32,
    /// What its rows look like.
    pub layout: Layout,
    /// An earlier leaf that reads the same: it has the input, and this one gets the same rows.
    pub twin_of: Option<usize>,
    /// How its records are read.
    pub reads: Reads,
    /// Whether this query writes the relation's dead letters: one query does, however many read it.
    pub owns_dead_letters: AtomicBool,
    /// How far it may be read at the moment.
    pub holds: Holds,
    /// Whether its rows come before those of all other leaves: a table's that have the time of their writing, beside a stream
    /// that has event times of its own.
    pub reads_first: bool,
}

/// How a leaf's records become rows.
pub enum Reads {
    /// A relation's records.
    Relation(Box<RelationReads>),
    /// Slices and markers of the producers, which cover these partitions of root topics.
    Exchange(Vec<Root>),
    /// Slices that tasks of the same fragment send each other. They say nothing of time, and other rows do not wait for them.
    Relocated,
}

impl LeafSpec {
    /// The partitions of root topics behind a repartition.
    pub fn roots(&self) -> Vec<TopicPartition> {
        match &self.reads {
            Reads::Relation(_) | Reads::Relocated => Vec::new(),
            Reads::Exchange(roots) => roots.iter().map(|root| root.partition).collect(),
        }
    }

    /// Time waits for those of the queries that write what it reads.
    fn wait_for(&mut self, queries: &[(TopicId, QueryId)]) {
        if let Reads::Relation(reads) = &mut self.reads {
            let writing = queries.iter().filter(|(topic, _)| *topic == self.topic);
            reads.awaited = writing.map(|(_, query)| *query).collect();
        }
    }

    /// How many tasks write what it reads; none that time waits for if it is a relation.
    pub fn producers(&self) -> usize {
        match self.reads {
            Reads::Relation(_) | Reads::Relocated => 0,
            Reads::Exchange(_) => usize::try_from(self.partitions).unwrap_or(0),
        }
    }
}

/// A partition of a root topic behind a repartition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The partition.
    pub partition: TopicPartition,
    /// The one producer that reads it; `None` when all producers do, through a repartition of their own.
    pub producer: Option<u32>,
}

/// How a relation's records become rows.
pub struct RelationReads {
    /// The relation.
    pub relation: Arc<Relation>,
    /// Reads its records, with the columns that the leaf uses.
    pub reader: Reader,
    /// Columns after the relation's own, with their types.
    pub pseudo: Vec<(PseudoColumn, DataType)>,
    /// Rows are upserts; they set no stream time.
    pub as_table: bool,
    /// A stream's record without a value is a row of nulls; under ksqlDB's rules it is none.
    pub null_rows: bool,
    /// The column that gives the event time, if the record does not.
    pub time_column: Option<String>,
    /// The queries that write the topic; time waits for them.
    pub awaited: Vec<QueryId>,
}

impl FragmentSpec {
    /// What each task of a standing query runs, upstream fragments first. Each has expressions of its own, since the cut's
    /// time is a cell that they share.
    pub fn of_query(spec: &QuerySpec, parts: &FragmentParts<'_>) -> Result<Vec<(i32, Arc<Self>)>, ExecError> {
        let topic_of = |wanted: &OperatorId, role: &str| {
            spec.internal_topics.iter().find(|(id, is, _)| id == wanted && is == role).map(|(.., topic)| *topic)
        };
        let mut fragments = Vec::new();
        let board = board(spec, parts.config)?;
        let readers = readers(&spec.plan);
        for (index, planned) in spec.plan.fragments.iter().enumerate() {
            let last = index + 1 == spec.plan.fragments.len();
            for partition in 0..planned.partitions {
                let sink = if last { Some(topic_spec(&spec.sink)?) } else { None };
                let mut made = fragment(spec.id, &spec.plan, index, sink, &topic_of, parts)?;
                refuse_two_positions(&made.leaves)?;
                made.reader = readers[index];
                for leaf in &mut made.leaves {
                    leaf.wait_for(&spec.awaited);
                }
                // The rows of a table without a query of its own are shown by who keeps it.
                let late = spec.internal_topics.iter().filter(|(_, role, _)| role == "late");
                made.late =
                    late.map(|(operator, _, topic)| (operator.clone(), TopicPartition::new(*topic, 0))).collect();
                made.view = (last && spec.sink.is_table() && spec.sink.query.is_some()).then(|| Arc::clone(&spec.sink));
                made.board = board.clone().filter(|_| last);
                fragments.push((partition, Arc::new(made)));
            }
        }
        Ok(fragments)
    }

    /// The one fragment of a push query.
    pub fn of_push(plan: &StandingPlan, parts: &FragmentParts<'_>) -> Result<Arc<Self>, ExecError> {
        if plan.fragments.len() != 1 {
            return Err(Error::internal("a push query of several fragments").into());
        }
        let no_topic = |_: &OperatorId, _: &str| None;
        Ok(Arc::new(fragment(QueryId(0), plan, 0, None, &no_topic, parts)?))
    }

    /// The name of a task's membership in its query's group.
    pub fn member(&self, partition: i32) -> String {
        format!("f{}p{partition}", self.index)
    }
}

/// What the tasks of a fragment cover, and which of them.
fn roots(plan: &StandingPlan, fragment: usize) -> Vec<Root> {
    let mut found: Vec<Root> = Vec::new();
    for leaf in &plan.fragments[fragment].leaves {
        match leaf {
            Leaf::Relation { relation, .. } => found.extend((0..relation.partitions).map(|number| Root {
                partition: TopicPartition::new(relation.topic_id, number),
                producer: u32::try_from(number).ok(),
            })),
            Leaf::Exchange { upstream, .. } => {
                found.extend(roots(plan, *upstream).into_iter().map(|root| Root { producer: None, ..root }));
            }
            Leaf::Relocated { .. } => {}
        }
    }
    found
}

/// What the tasks that write a stream say of time. Who reads a table as such has no use for it.
fn board(spec: &QuerySpec, config: &config::Exec) -> Result<Option<Arc<Board>>, ExecError> {
    let Some(last) = spec.plan.fragments.last() else { return Ok(None) };
    if spec.sink.is_table() {
        return Ok(None);
    }
    let count = |number: i32| usize::try_from(number).unwrap_or(1).max(1);
    let (tasks, partitions) = (count(last.partitions), count(spec.sink.partitions));
    let placement = if keeps_partitions(spec)? { Placement::Kept } else { Placement::Anywhere };
    let time_column = spec.sink.timestamp_column.map(|column| spec.sink.columns[column].name.clone());
    let size = BoardSize { tasks, partitions, placement };
    let pace = Pace { interval: config.mark_interval, silence: config.idle_timeout };
    Ok(Some(Arc::new(Board::new(spec.id, time_column, size, pace))))
}

/// Whether a task's rows go to the partition of its own number: they have no key, or they are spread by the same key, of
/// the same format, over as many partitions.
fn keeps_partitions(spec: &QuerySpec) -> Result<bool, ExecError> {
    let Some(last) = spec.plan.fragments.last() else { return Ok(false) };
    let (format, key) = (spec.sink.formats.key, spec.sink.key_columns());
    if format == Format::None || key.is_empty() {
        return Ok(true);
    }
    // A document of several columns has their names in it, which need not be the same.
    let is_named = format == Format::Json && 1 < key.len();
    let Some(Node::Sink(sink)) = Node::of(&last.root) else { return Ok(false) };
    let by = edge(&sink.input).map_err(Error::from)?.partitioned_by;
    let same_format = last.leaves.iter().all(|leaf| match leaf {
        Leaf::Relation { relation, .. } => relation.formats.key == format,
        Leaf::Exchange { upstream, .. } => match Node::of(&spec.plan.fragments[*upstream].root) {
            Some(Node::Exchange(exchange)) => exchange.key_format == format,
            _ => false,
        },
        Leaf::Relocated { .. } => true,
    });
    Ok(last.partitions == spec.sink.partitions && same_format && !is_named && by == Some(key))
}

fn fragment(
    query: QueryId,
    plan: &StandingPlan,
    index: usize,
    sink: Option<TopicSpec>,
    topic_of: &dyn Fn(&OperatorId, &str) -> Option<TopicId>,
    parts: &FragmentParts<'_>,
) -> Result<FragmentSpec, ExecError> {
    let planned = &plan.fragments[index];
    let missing = |id: &OperatorId, role: &str| {
        ExecError::Data(Error::internal(format!("the {role} topic of operator {id} of query {query} is not known")))
    };
    let repartition = |id: &OperatorId| topic_of(id, "repartition").ok_or_else(|| missing(id, "repartition"));
    let written = |id: &OperatorId, partitions: i32| {
        let topic = repartition(id)?;
        Ok((0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect())
    };
    let writes_records = sink.is_some() || matches!(Node::of(&planned.root), Some(Node::Exchange(_)));
    let (functions, cut_time) = own_functions(parts.functions);
    let lowering = Lowering {
        leaves: &planned.leaves,
        semantics: plan.semantics,
        config: Arc::new(functions),
        sink,
        repartition: &written,
    };
    let root = lowering.lower(&planned.root)?;
    let mut leaves = Vec::new();
    for (number, leaf) in planned.leaves.iter().enumerate() {
        leaves.push(match leaf {
            Leaf::Relation { relation, as_table, used } => {
                let mut reader = parts.decoders.reader(declaration_of(relation), used)?;
                if writes_records {
                    reader.use_headers();
                }
                relation_leaf(plan, (query, number), &planned.root, relation, *as_table, reader)?
            }
            Leaf::Exchange { id, schema, upstream, edge } => {
                let reads = Reads::Exchange(roots(plan, *upstream));
                repartition_leaf(repartition(id)?, plan.fragments[*upstream].partitions, reads, (schema, edge))
            }
            Leaf::Relocated { id, schema, edge } => {
                repartition_leaf(repartition(id)?, planned.partitions, Reads::Relocated, (schema, edge))
            }
        });
    }
    mark_read_first(plan, &mut leaves);
    pair_twins(&mut leaves);
    let tables = table_names(&root).into_iter().map(|name| match query.0 {
        0 => Ok((name, None)),
        _ => topic_of(&name.0, "changelog").ok_or_else(|| missing(&name.0, "changelog")).map(|of| (name, Some(of))),
    });
    let tables = tables.collect::<Result<Vec<_>, ExecError>>()?;
    Ok(FragmentSpec {
        query,
        index,
        reader: 0,
        root,
        leaves,
        tables,
        late: BTreeMap::new(),
        cut_time,
        layout: plan.state_layouts.join("\n"),
        view: None,
        board: None,
        config: parts.config.clone(),
        refuses_future: plan.semantics.compatibility == Compatibility::Postgres,
        round_rows_max: round_rows_max(plan, index),
    })
}

/// What functions are handed in one task, and the time of its cuts, which is among it.
fn own_functions(shared: &ConfigOptions) -> (ConfigOptions, CutTime) {
    let mut functions = shared.clone();
    let mut context = functions.extensions.get::<Context>().cloned().unwrap_or_default();
    let cut_time = CutTime::default();
    context.cut_time = cut_time.clone();
    functions.extensions.insert(context);
    (functions, cut_time)
}

fn round_rows_max(plan: &StandingPlan, fragment: usize) -> usize {
    match plan.semantics.emit {
        EmitMode::All => (ROUND_OUTPUT_ROWS / windows_of_row(&plan.fragments[fragment].root)).max(1),
        EmitMode::Net => usize::MAX,
    }
}

/// In how many windows a row of a fragment may be.
fn windows_of_row(plan: &datafusion::logical_expr::LogicalPlan) -> usize {
    let own = match Node::of(plan) {
        Some(Node::Aggregate(aggregate)) => aggregate.window.map_or(1, Window::windows_of_row),
        _ => 1,
    };
    plan.inputs().into_iter().map(windows_of_row).max().unwrap_or(1).max(own)
}

fn changes_of(edge: &EdgeKind) -> Changes {
    match edge {
        EdgeKind::AppendOnly => Changes::Append,
        EdgeKind::Upsert(_) => Changes::Upsert,
        EdgeKind::Retract => Changes::Retract,
    }
}

fn repartition_leaf(topic: TopicId, partitions: i32, reads: Reads, (schema, edge): (&DFSchemaRef, &Edge)) -> LeafSpec {
    LeafSpec {
        topic,
        partitions,
        layout: Layout::new(schema.as_arrow(), changes_of(&edge.kind)),
        twin_of: None,
        reads,
        owns_dead_letters: AtomicBool::new(false),
        holds: Holds::default(),
        reads_first: false,
    }
}

fn relation_leaf(
    plan: &StandingPlan,
    (query, number): (QueryId, usize),
    root: &datafusion::logical_expr::LogicalPlan,
    relation: &Arc<Relation>,
    as_table: bool,
    reader: Reader,
) -> Result<LeafSpec, ExecError> {
    let (schema, pseudo) =
        source_of(root, number).ok_or(ExecError::UnknownNode("a leaf without source".to_string()))?;
    let changes = if as_table && relation.is_table() { Changes::Upsert } else { Changes::Append };
    let types = schema.fields().iter().skip(relation.columns.len()).map(|field| field.data_type().clone());
    let pseudo = pseudo.into_iter().zip(types).collect();
    Ok(LeafSpec {
        topic: relation.topic_id,
        partitions: relation.partitions,
        layout: Layout::new(&schema, changes),
        twin_of: None,
        reads: Reads::Relation(Box::new(RelationReads {
            relation: Arc::clone(relation),
            reader,
            pseudo,
            as_table,
            null_rows: !relation.is_table() && plan.semantics.compatibility == Compatibility::Postgres,
            time_column: relation.timestamp_column.map(|column| relation.columns[column].name.clone()),
            awaited: Vec::new(),
        })),
        owns_dead_letters: AtomicBool::new(query.0 != 0),
        holds: Holds::default(),
        reads_first: false,
    })
}

/// The schema and the pseudo columns of the source that reads leaf `number`.
fn source_of(
    plan: &datafusion::logical_expr::LogicalPlan,
    number: usize,
) -> Option<(arrow::datatypes::Schema, Vec<PseudoColumn>)> {
    if let Some(Node::Source(source)) = Node::of(plan)
        && source.leaf == number
    {
        return Some((source.schema.as_arrow().clone(), source.pseudo.clone()));
    }
    plan.inputs().into_iter().find_map(|input| source_of(input, number))
}

fn table_names(plan: &Arc<dyn ExecutionPlan>) -> Vec<TableName> {
    let mut names: Vec<TableName> = plan.children().into_iter().flat_map(table_names).collect();
    names.extend(step_of(plan).into_iter().flat_map(|step| step.tables()));
    names
}

/// Marks tables whose rows have no time that compares with the stream's: when they were written says nothing of an event time
/// that the stream's rows tell, or that a query gave them. ksqlDB goes by the times of records alone.
fn mark_read_first(plan: &StandingPlan, leaves: &mut [LeafSpec]) {
    let leaves_of_plan = || plan.fragments.iter().flat_map(|fragment| &fragment.leaves);
    let tells_time = leaves_of_plan().any(|leaf| match leaf {
        Leaf::Relation { relation, as_table: false, .. } => {
            relation.timestamp_column.is_some() || relation.query.is_some()
        }
        _ => false,
    });
    if !tells_time || plan.semantics.compatibility == Compatibility::Ksqldb {
        return;
    }
    for leaf in leaves {
        leaf.reads_first = match &leaf.reads {
            Reads::Relation(reads) => {
                reads.as_table && reads.relation.timestamp_column.is_none() && reads.relation.query.is_none()
            }
            Reads::Exchange(_) | Reads::Relocated => false,
        };
    }
}

/// A relation that a fragment reads twice is read once: both leaves get the rows.
fn pair_twins(leaves: &mut [LeafSpec]) {
    let alike = |one: &LeafSpec, other: &LeafSpec| {
        let relations = matches!((&one.reads, &other.reads), (Reads::Relation(one), Reads::Relation(other))
            if one.as_table == other.as_table && one.pseudo == other.pseudo);
        relations && one.topic == other.topic && one.layout.changes == other.layout.changes
    };
    for later in 1..leaves.len() {
        let first = (0..later).find(|first| leaves[*first].twin_of.is_none() && alike(&leaves[*first], &leaves[later]));
        leaves[later].twin_of = first;
        let Some(first) = first else { continue };
        if let (before, [twin, ..]) = leaves.split_at_mut(later)
            && let (Reads::Relation(first), Reads::Relation(twin)) = (&mut before[first].reads, &twin.reads)
        {
            first.reader.use_more(twin.reader.used());
        }
    }
}

/// A task has one position in a partition: what it reads of a topic as a stream it cannot read as a table too, nor with other
/// columns of the records.
fn refuse_two_positions(leaves: &[LeafSpec]) -> Result<(), ExecError> {
    let mut seen = HashSet::new();
    match leaves.iter().filter(|leaf| leaf.twin_of.is_none()).all(|leaf| seen.insert(leaf.topic)) {
        true => Ok(()),
        false => {
            let message = "a query that reads one topic in two ways, for the same rows, is not supported yet";
            let hint = "Make a stream or a table of one of the two first, and join that.";
            Err(Error::unsupported(message).hint(hint).into())
        }
    }
}

/// The groups that hold a query's positions in a topic.
pub fn reader_groups(query: QueryId, plan: &StandingPlan, topic: TopicId) -> Vec<String> {
    let reads = |fragment: &Fragment| {
        let is_it = |leaf: &Leaf| matches!(leaf, Leaf::Relation { relation, .. } if relation.topic_id == topic);
        fragment.leaves.iter().any(is_it)
    };
    let fragments = plan.fragments.iter().zip(readers(plan));
    fragments.filter(|(fragment, _)| reads(fragment)).map(|(_, reader)| query.group_of_reader(reader)).collect()
}

/// Per fragment of a plan the number of the group that holds its positions. A group has one position in a partition, so of
/// fragments that read one topic each has another.
fn readers(plan: &StandingPlan) -> Vec<usize> {
    let mut seen: HashSet<(usize, TopicId)> = HashSet::new();
    let of_fragment = |fragment: &Fragment| {
        let topics = || {
            fragment.leaves.iter().filter_map(|leaf| match leaf {
                Leaf::Relation { relation, .. } => Some(relation.topic_id),
                Leaf::Exchange { .. } | Leaf::Relocated { .. } => None,
            })
        };
        let free = |reader: &usize| topics().all(|topic| !seen.contains(&(*reader, topic)));
        let reader = (0..).find(free).unwrap_or_default();
        seen.extend(topics().map(|topic| (reader, topic)));
        reader
    };
    plan.fragments.iter().map(of_fragment).collect()
}

/// All that the rows of a relation follow from.
fn declaration_of(relation: &Relation) -> Declaration {
    Declaration {
        columns: relation.columns.clone(),
        key: format_spec(relation.formats.key),
        value: format_spec(relation.formats.value),
        options: relation_options(relation),
    }
}

/// Everything about a relation's records that `format` wants to know.
pub fn relation_options(relation: &Relation) -> CodecOptions {
    let wrap_single = if relation.formats.wrap_single_value { WrapSingle::Wrapped } else { WrapSingle::Unwrapped };
    let window = relation.window.map(|window| match window.size_ms {
        Some(size_ms) => WindowKeySize::Fixed { size_ms },
        None => WindowKeySize::Session,
    });
    CodecOptions {
        wrap_single,
        window,
        needs_key: relation.is_table() && !relation.key_columns().is_empty(),
        timestamp_column: relation.timestamp_column,
        timestamp_format: relation.timestamp_format.clone(),
        ..codec_options(relation.compatibility)
    }
}

/// What a batch of one record has beside the record's key and value, at most.
const BATCH_OVERHEAD: usize = 128;

/// How rows become records of a relation's topic.
pub fn topic_spec(sink: &Relation) -> Result<TopicSpec, ExecError> {
    let (key, value) = (format_spec(sink.formats.key), format_spec(sink.formats.value));
    let options = relation_options(sink);
    let encoder = Encoder::new(&sink.columns, key, value, &options)?;
    let mut columns = sink.columns.clone();
    for column in &mut columns {
        if matches!(column.role, ColumnRole::WindowStart | ColumnRole::WindowEnd) {
            column.role = ColumnRole::Value;
        }
    }
    let placer = match key {
        FormatSpec::None => Encoder::new(&columns, key, value, &CodecOptions { window: None, ..options })?,
        _ => {
            let wrapped = CodecOptions { window: None, wrap_single: WrapSingle::Wrapped, ..options };
            Encoder::new(&columns, key, FormatSpec::Json, &wrapped)?
        }
    };
    Ok(TopicSpec {
        encoder: Arc::new(encoder),
        placer: Arc::new(placer),
        partitions: (0..sink.partitions).map(|partition| TopicPartition::new(sink.topic_id, partition)).collect(),
        record_bytes_max: BatchLimits::default().batch_bytes_max - BATCH_OVERHEAD,
        is_table: sink.kind == RelationKind::Table,
        // Its readers would pass over what has no key; under ksqlDB's rules such records are written.
        // What reads the stream finds them in one partition, as those of INSERT.
        keyless: (sink.compatibility == Compatibility::Postgres && !sink.key_columns().is_empty())
            .then(|| partition_for_key(b"", sink.partitions)),
        lacks_null_key: sink.kind == RelationKind::Table
            && sink.compatibility == Compatibility::Postgres
            && !sink.has_null_keys(),
        event_time: match sink.timestamp_column {
            None => None,
            Some(index) => {
                Some(Arc::new(EventTimeColumn::new(&sink.columns, index, sink.timestamp_format.as_deref())?))
            }
        },
    })
}
