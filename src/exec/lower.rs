//! A fragment's plan into a tree of operators.
//!
//! Expressions become `PhysicalExpr`s over user columns; since these come first in every batch, their indexes hold.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::ExecutionPlan;

use super::Changes;
use super::ExecError;
use super::Layout;
use super::StepExec;
use super::StepSpec;
use super::operators;
use super::operators::AggregateSpec;
use super::operators::CallSpec;
use super::operators::ExchangeSpec;
use super::operators::ForeignJoinSpec;
use super::operators::Hopping;
use super::operators::JoinSpec;
use super::operators::OrderSpec;
use super::operators::Session;
use super::operators::SinkSpec;
use super::operators::StreamJoinSide;
use super::operators::StreamJoinSpec;
use super::operators::TableSide;
use super::operators::TopSpec;
use super::operators::TopicSpec;
use super::operators::Tumbling;
use super::operators::Windows;
use super::step_exec::MakeStep;
use super::step_exec::step_of;
use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Semantics;
use crate::format::CodecOptions;
use crate::format::Encoder;
use crate::format::FormatSpec;
use crate::model::Column;
use crate::model::ColumnRole;
use crate::model::OperatorId;
use crate::model::SqlType;
use crate::model::TopicPartition;
use crate::plan::Edge;
use crate::plan::EdgeKind;
use crate::plan::Leaf;
use crate::plan::Node;
use crate::plan::node;
use crate::sql::Emit;

/// Tells so many partitions of the repartition topic of an operator.
pub type RepartitionTopics<'a> = &'a dyn Fn(&OperatorId, i32) -> Result<Vec<TopicPartition>, ExecError>;

/// What a fragment is lowered with.
pub struct Lowering<'a> {
    /// The fragment's inputs.
    pub leaves: &'a [Leaf],
    /// The rules under which the query was bound.
    pub semantics: Semantics,
    /// What functions are handed.
    pub config: Arc<ConfigOptions>,
    /// The topic that the sink writes; `None` for a push query and for other fragments.
    pub sink: Option<TopicSpec>,
    /// The topics that exchanges and relocations of the fragment write.
    pub repartition: RepartitionTopics<'a>,
}

type Plan = Arc<dyn ExecutionPlan>;

impl Lowering<'_> {
    /// The operators of a plan.
    pub fn lower(&self, plan: &LogicalPlan) -> Result<Plan, ExecError> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let input = self.lower(&projection.input)?;
                let below = layout_of(&input)?;
                let exprs = self.exprs(&projection.expr, projection.input.schema())?;
                let output = below.with_user(projection.schema.as_arrow());
                let (exprs_, below_, output_) = (exprs, below, output.clone());
                let id = above(&input, "project")?;
                step(id, "Project", output, vec![], vec![input], move || operators::Project {
                    exprs: exprs_.clone(),
                    input: below_.clone(),
                    output: output_.clone(),
                })
            }
            LogicalPlan::Filter(filter) => {
                let input = self.lower(&filter.input)?;
                let layout = layout_of(&input)?;
                let predicate = self.expr(&filter.predicate, filter.input.schema())?;
                let text = format!("Filter {predicate}");
                let layout_ = layout.clone();
                let id = above(&input, "filter")?;
                step(id, &text, layout, vec![], vec![input], move || operators::Filter {
                    predicate: Arc::clone(&predicate),
                    layout: layout_.clone(),
                })
            }
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input),
            LogicalPlan::Extension(_) => match Node::of(plan) {
                Some(node) => self.lower_node(node),
                None => Err(ExecError::UnknownNode(plan.display().to_string())),
            },
            other => Err(ExecError::UnknownNode(other.display().to_string())),
        }
    }

    fn lower_node(&self, node: Node<'_>) -> Result<Plan, ExecError> {
        match node {
            Node::Source(source) => {
                let changes = if source.relation.is_table() { Changes::Upsert } else { Changes::Append };
                let changes = match self.leaves.get(source.leaf) {
                    Some(Leaf::Relation { as_table: false, .. }) => Changes::Append,
                    _ => changes,
                };
                let layout = Layout::new(source.schema.as_arrow(), changes);
                let leaf = source.leaf;
                let text = format!("Source {}", source.relation.name);
                step(source.id.clone(), &text, layout, vec![], vec![], move || operators::Source { leaf })
            }
            Node::ExchangeSource(source) => {
                let Some(Leaf::Exchange { edge, .. }) = self.leaves.get(source.leaf) else {
                    return Err(ExecError::UnknownNode("an exchange that nobody writes".to_string()));
                };
                let layout = Layout::new(source.schema.as_arrow(), changes_of(edge));
                let leaf = source.leaf;
                let id = source.id.inserted("read", 0);
                step(id, "ExchangeSource", layout, vec![], vec![], move || operators::Source { leaf })
            }
            Node::Normalise(normalise) => {
                let input = self.lower(&normalise.input)?;
                let below = layout_of(&input)?;
                let output = Layout::new(&below.user_schema(), Changes::Retract);
                let (key, output_) = (normalise.key.clone(), output.clone());
                step(normalise.id.clone(), "Normalise", output, vec!["rows"], vec![input], move || {
                    operators::Normalise { key: key.clone(), input: below.clone(), output: output_.clone() }
                })
            }
            Node::Consolidate(node) => {
                let input = self.lower(&node.input)?;
                let (key, layout) = (node.key.clone(), layout_of(&input)?);
                step(node.id.clone(), "Consolidate", layout.clone(), vec!["rows"], vec![input], move || {
                    operators::Consolidate { key: key.clone(), layout: layout.clone() }
                })
            }
            Node::TopN(node) => self.top_n(node),
            Node::Explode(node) => self.explode(node),
            Node::Union(node) => self.union(node),
            Node::Retain(retain) => self.retain(retain),
            Node::Aggregate(aggregate) => self.aggregate(aggregate),
            Node::Join(join) => self.join(join),
            Node::StreamJoin(join) => self.stream_join(join),
            Node::TableJoin(join) => self.table_join(join),
            Node::ForeignJoin(join) => self.foreign_join(join),
            Node::Exchange(exchange) => self.exchange(exchange),
            Node::Relocate(node) => self.relocate(node),
            Node::Sink(sink) => {
                let input = self.lower(&sink.input)?;
                let layout = layout_of(&input)?;
                let output = match layout.changes {
                    Changes::Retract => Layout::new(&layout.user_schema(), Changes::Upsert),
                    Changes::Append | Changes::Upsert => layout.clone(),
                };
                let topic = self.sink.clone();
                let spec = SinkSpec { key: sink.key.clone(), emit: self.semantics.emit, input: layout, topic };
                step(sink.id.clone(), "Sink", output, vec![], vec![input], move || operators::Sink::new(spec.clone()))
            }
        }
    }

    fn union(&self, node: &node::Union) -> Result<Plan, ExecError> {
        let inputs = node.branches.iter().map(|branch| self.lower(branch)).collect::<Result<Vec<_>, _>>()?;
        let mut changes = inputs.iter().map(|input| layout_of(input).map(|layout| layout.changes));
        let changes = changes.next().transpose()?.unwrap_or(Changes::Append);
        let layout = Layout::new(node.schema.as_arrow(), changes);
        let body = layout.clone();
        step(node.id.clone(), "Union", layout, vec![], inputs, move || operators::Union { layout: body.clone() })
    }

    fn explode(&self, node: &node::Explode) -> Result<Plan, ExecError> {
        let input = self.lower(&node.input)?;
        let below = layout_of(&input)?;
        let output = below.with_user(node.schema.as_arrow());
        let (lists, output_) = (self.exprs(&node.lists, node.input.schema())?, output.clone());
        step(node.id.clone(), "Explode", output, vec![], vec![input], move || {
            operators::Explode::new(lists.clone(), below.clone(), output_.clone())
        })
    }

    fn top_n(&self, node: &node::TopN) -> Result<Plan, ExecError> {
        let input = self.lower(&node.input)?;
        let schema = node.input.schema();
        let order = |item: &node::OrderItem| {
            let expr = self.expr(&item.expr, schema)?;
            Ok(OrderSpec { expr, direction: item.direction, nulls: item.nulls })
        };
        let spec = TopSpec {
            partition: self.exprs(&node.partition, schema)?,
            order: node.order.iter().map(order).collect::<Result<_, ExecError>>()?,
            key: self.exprs(&node.key, schema)?,
            ranking: node.ranking,
            limit: usize::try_from(node.limit).unwrap_or(usize::MAX),
            rows: node.rows,
            rank: node.rank,
            emit: self.semantics.emit,
            input: layout_of(&input)?,
            output: Layout::new(node.schema.as_arrow(), Changes::Retract),
        };
        let text = format!("TopN {} up to {}", node.ranking.as_str(), node.limit);
        let output = spec.output.clone();
        step(node.id.clone(), &text, output, vec!["rows"], vec![input], move || operators::TopN::new(spec.clone()))
    }

    fn retain(&self, retain: &node::Retain) -> Result<Plan, ExecError> {
        let input = self.lower(&retain.input)?;
        let below = layout_of(&input)?;
        let changes = match below.changes {
            Changes::Retract => Changes::Retract,
            Changes::Append | Changes::Upsert => Changes::Upsert,
        };
        let output = Layout::new(&below.user_schema(), changes);
        let (key, retention_ms, id) = (retain.key.clone(), retain.retention_ms, retain.id.clone());
        let Some(bound) = retain.bound else {
            let body = operators::Expire { key, ttl_ms: retention_ms, input: below, output: output.clone() };
            return step(id, "Expire", output, vec!["rows"], vec![input], move || body.clone());
        };
        let body = operators::Retain { key, bound, retention_ms, input: below, output: output.clone() };
        step(id, "Retain", output, vec!["rows"], vec![input], move || body.clone())
    }

    fn aggregate(&self, node: &node::Aggregate) -> Result<Plan, ExecError> {
        let input = self.lower(&node.input)?;
        let below = layout_of(&input)?;
        let schema = node.input.schema();
        let output = match (node.emit, node.changes) {
            (Emit::Final, _) => Changes::Append,
            (Emit::Changes, node::AggregateChanges::Upsert) => Changes::Upsert,
            (Emit::Changes, node::AggregateChanges::Retract) => Changes::Retract,
        };
        let output = Layout::new(node.schema.as_arrow(), output);
        let calls =
            (0..node.calls.len()).map(|call| self.call(&node.calls, call, schema)).collect::<Result<Vec<_>, _>>()?;
        let group = self.exprs(&node.group, schema)?;
        let window = node.window.map(windows_of);
        let is_ksqldb = self.semantics.compatibility == Compatibility::Ksqldb;
        let spec = AggregateSpec {
            key: key_schema(&group, matches!(window, Some(Windows::Tumbling(_))), &below.schema)?,
            group,
            window,
            calls,
            emit_final: node.emit == Emit::Final,
            emit: self.semantics.emit,
            null_drops: node.null_group == node::NullGroup::DropsRow,
            own_time: is_ksqldb && window.is_some(),
            restates_sessions: is_ksqldb,
            keeps_empty: node.empty_group == node::EmptyGroup::Stays,
            forgets_after_ms: match node.jumped {
                node::JumpedWindows::Kept => None,
                node::JumpedWindows::Forgotten { retention_ms } => Some(retention_ms),
            },
            input: below,
            output: output.clone(),
        };
        let text = node.window.map_or("Aggregate".to_string(), |window| format!("Aggregate {window}"));
        let (id, tables, inputs) = (node.id.clone(), vec!["groups"], vec![input]);
        match window {
            Some(Windows::Hopping(hopping)) => {
                step(id, &text, output, tables, inputs, move || operators::HoppingAggregate::new(spec.clone(), hopping))
            }
            Some(Windows::Session(session)) => {
                step(id, &text, output, tables, inputs, move || operators::SessionAggregate::new(spec.clone(), session))
            }
            Some(Windows::Tumbling(_)) | None => {
                step(id, &text, output, tables, inputs, move || operators::Aggregate::new(spec.clone()))
            }
        }
    }

    fn call(&self, calls: &[node::AggregateCall], number: usize, schema: &DFSchema) -> Result<CallSpec, ExecError> {
        let call = &calls[number];
        let argument = call.argument.as_ref().map(|argument| self.expr(argument, schema)).transpose()?;
        let argument_type = match &argument {
            Some(argument) => argument.data_type(schema.as_arrow())?,
            None => DataType::Int64,
        };
        Ok(CallSpec {
            function: call.function,
            style: call.style,
            argument_type,
            argument,
            keeps_values: call.backing == node::Backing::Values,
            counts: (call.backing == node::Backing::Counts).then(|| node::counts_leader(calls, number)),
            filter: call.filter.as_ref().map(|filter| self.expr(filter, schema)).transpose()?,
            output: call.sql_type.arrow(),
        })
    }

    fn join(&self, node: &node::Join) -> Result<Plan, ExecError> {
        let (left, right) = (self.lower(&node.left)?, self.lower(&node.right)?);
        let output = Layout::new(node.schema.as_arrow(), Changes::Append);
        let pairs = node.on.iter();
        let spec = JoinSpec {
            left_key: pairs.clone().map(|(l, _)| self.expr(l, node.left.schema())).collect::<Result<_, _>>()?,
            right_key: pairs.map(|(_, r)| self.expr(r, node.right.schema())).collect::<Result<_, _>>()?,
            keeps_left: node.kind.keeps_left(),
            history_ms: node.history_ms,
            keeps_null_key: self.semantics.compatibility == Compatibility::Postgres,
            left: layout_of(&left)?,
            right: layout_of(&right)?,
            output: output.clone(),
        };
        let inputs = vec![left, right];
        step(node.id.clone(), "Join", output, vec!["table"], inputs, move || operators::Join { spec: spec.clone() })
    }

    fn stream_join(&self, node: &node::StreamJoin) -> Result<Plan, ExecError> {
        let (left, right) = (self.lower(&node.left)?, self.lower(&node.right)?);
        let output = Layout::new(node.schema.as_arrow(), Changes::Append);
        let lags = [&left, &right].map(|input| step_of(input).map_or(0, StepExec::lag_ms));
        let delays = lags.map(|lag| lags[0].max(lags[1]).saturating_sub(lag));
        let key = |exprs: Vec<Expr>, input: &LogicalPlan| self.exprs(&exprs, input.schema());
        let spec = StreamJoinSpec {
            sides: [
                StreamJoinSide {
                    key: key(node.on.iter().map(|(left, _)| left.clone()).collect(), &node.left)?,
                    keeps: node.kind.keeps_left(),
                    after_ms: node.span.after_ms,
                    delay_ms: delays[0],
                    layout: layout_of(&left)?,
                },
                StreamJoinSide {
                    key: key(node.on.iter().map(|(_, right)| right.clone()).collect(), &node.right)?,
                    keeps: node.kind.keeps_right(),
                    after_ms: node.span.before_ms,
                    delay_ms: delays[1],
                    layout: layout_of(&right)?,
                },
            ],
            grace_ms: node.span.grace_ms,
            at_once: node.unmatched == node::Unmatched::AtOnce,
            own_time: self.semantics.compatibility == Compatibility::Ksqldb,
            output: output.clone(),
        };
        let text = format!("StreamJoin {} grace {} ms", node.kind.as_str(), node.span.grace_ms);
        let lag_ms = spec.lag_ms();
        let make: MakeStep =
            Arc::new(move || Ok(Box::new(operators::StreamJoin::new(spec.clone())) as Box<dyn super::Step>));
        let spec = StepSpec { id: node.id.clone(), text, output, tables: vec!["rows"], lag_ms, make };
        Ok(Arc::new(StepExec::new(spec, vec![left, right])))
    }

    fn table_join(&self, node: &node::TableJoin) -> Result<Plan, ExecError> {
        let (left, right) = (self.lower(&node.left)?, self.lower(&node.right)?);
        let output = Layout::new(node.schema.as_arrow(), Changes::Retract);
        let pairs = node.on.iter();
        let sides = [
            TableSide {
                key: pairs.clone().map(|(l, _)| self.expr(l, node.left.schema())).collect::<Result<_, _>>()?,
                kept: node.kind.keeps_left(),
                layout: layout_of(&left)?,
            },
            TableSide {
                key: pairs.map(|(_, r)| self.expr(r, node.right.schema())).collect::<Result<_, _>>()?,
                kept: node.kind.keeps_right(),
                layout: layout_of(&right)?,
            },
        ];
        let (inputs, output_) = (vec![left, right], output.clone());
        step(node.id.clone(), "TableJoin", output, vec!["sides"], inputs, move || operators::TableJoin {
            sides: sides.clone(),
            output: output_.clone(),
        })
    }

    fn foreign_join(&self, node: &node::ForeignJoin) -> Result<Plan, ExecError> {
        let (left, right) = (self.lower(&node.left)?, self.lower(&node.right)?);
        let output = Layout::new(node.schema.as_arrow(), Changes::Retract);
        let (foreign, keys): (Vec<Expr>, Vec<Expr>) = node.on.iter().cloned().unzip();
        let spec = ForeignJoinSpec {
            foreign: self.exprs(&foreign, node.left.schema())?,
            left_key: self.exprs(&node.key, node.left.schema())?,
            right_key: self.exprs(&keys, node.right.schema())?,
            keeps_left: node.alone == node::Alone::Stays,
            keeps_right: node.named == node::Alone::Stays,
            tells_no_row: node.no_row == node::NoRow::Told,
            left: layout_of(&left)?,
            right: layout_of(&right)?,
            output: output.clone(),
        };
        step(node.id.clone(), "ForeignJoin", output, vec!["rows"], vec![left, right], move || {
            operators::ForeignJoin::new(spec.clone())
        })
    }

    fn exchange(&self, node: &node::Exchange) -> Result<Plan, ExecError> {
        let (input, spec) = self.exchange_spec(node)?;
        let layout = spec.layout.clone();
        let make = move || operators::Exchange::new(spec.clone());
        step(node.id.clone(), "Exchange", layout, vec![], vec![input], make)
    }

    fn relocate(&self, node: &node::Relocate) -> Result<Plan, ExecError> {
        let (input, spec) = self.exchange_spec(&node.exchange)?;
        let (layout, id) = (spec.layout.clone(), &node.exchange.id);
        let leaf = node.leaf;
        let read = id.inserted("read", 0);
        let sent = step(read, "Relocated", layout.clone(), vec![], vec![], move || operators::Source { leaf })?;
        let which = node.which;
        let make = move || operators::Relocate::new(spec.clone(), which);
        step(id.clone(), "Relocate", layout, vec![], vec![input, sent], make)
    }

    /// What an exchange sends, and how.
    fn exchange_spec(&self, node: &node::Exchange) -> Result<(Plan, ExchangeSpec), ExecError> {
        let input = self.lower(&node.input)?;
        let layout = layout_of(&input)?;
        let keys = self.exprs(&node.keys, node.input.schema())?;
        let encoder = match keys.is_empty() {
            true => None,
            false => {
                let names = node.names.as_deref();
                Some(Arc::new(key_encoder(&keys, names, &layout.schema, node.key_format, self.semantics)?))
            }
        };
        let partitions = (self.repartition)(&node.id, node.partitions)?;
        Ok((input, ExchangeSpec { keys, encoder, partitions, layout }))
    }

    fn exprs(&self, exprs: &[Expr], schema: &DFSchema) -> Result<Vec<Arc<dyn PhysicalExpr>>, ExecError> {
        exprs.iter().map(|expr| self.expr(expr, schema)).collect()
    }

    fn expr(&self, expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, ExecError> {
        let mut props = ExecutionProps::new();
        props.config_options = Some(Arc::clone(&self.config));
        Ok(create_physical_expr(expr, schema, &props, &PhysicalPlanningContext::default())?)
    }
}

fn step<S: super::Step + 'static>(
    id: OperatorId,
    text: &str,
    output: Layout,
    tables: Vec<&'static str>,
    inputs: Vec<Plan>,
    make: impl Fn() -> S + Send + Sync + 'static,
) -> Result<Plan, ExecError> {
    let make: MakeStep = Arc::new(move || Ok(Box::new(make()) as Box<dyn super::Step>));
    Ok(Arc::new(StepExec::new(StepSpec { id, text: text.to_string(), output, tables, lag_ms: 0, make }, inputs)))
}

fn layout_of(plan: &Plan) -> Result<Layout, ExecError> {
    match step_of(plan) {
        Some(step) => Ok(step.output().clone()),
        None => Err(ExecError::UnknownNode(plan.name().to_string())),
    }
}

/// The id of a stateless operator: that of the one below it, with its role.
fn above(input: &Plan, role: &str) -> Result<OperatorId, ExecError> {
    match step_of(input) {
        Some(step) => Ok(step.operator_id().inserted(role, 0)),
        None => Err(ExecError::UnknownNode(input.name().to_string())),
    }
}

fn changes_of(edge: &Edge) -> Changes {
    match edge.kind {
        EdgeKind::AppendOnly => Changes::Append,
        EdgeKind::Upsert(_) => Changes::Upsert,
        EdgeKind::Retract => Changes::Retract,
    }
}

fn windows_of(window: node::Window) -> Windows {
    match window {
        node::Window::Tumbling { size_ms, grace_ms } => Windows::Tumbling(Tumbling { size_ms, grace_ms }),
        node::Window::Hopping { size_ms, advance_ms, grace_ms } => {
            Windows::Hopping(Hopping::new(size_ms, advance_ms, grace_ms))
        }
        node::Window::Session { gap_ms, grace_ms } => Windows::Session(Session { gap_ms, grace_ms }),
    }
}

/// The columns of a group's key in state, behind the start of its window if it begins with that.
fn key_schema(group: &[Arc<dyn PhysicalExpr>], has_start: bool, input: &Schema) -> Result<SchemaRef, ExecError> {
    let mut fields = Vec::new();
    if has_start {
        fields.push(Field::new("windowstart", DataType::Int64, true));
    }
    for (index, expr) in group.iter().enumerate() {
        fields.push(Field::new(format!("g{index}"), expr.data_type(input)?, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Writes the key of a repartition as the relation that it meets writes its own, so that both hash alike.
fn key_encoder(
    keys: &[Arc<dyn PhysicalExpr>],
    names: Option<&[String]>,
    input: &Schema,
    format: Format,
    semantics: Semantics,
) -> Result<Encoder, ExecError> {
    let mut columns = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let data_type = key.data_type(input)?;
        let sql_type = SqlType::from_arrow(&data_type)
            .ok_or_else(|| ExecError::UnknownNode(format!("a repartition by {data_type}")))?;
        // JSON keys of several columns name them; names matter to the hash only if both sides were hashed by name.
        let own = || key.to_string().rsplit_once('@').map_or_else(|| format!("k{index}"), |(name, _)| name.to_string());
        let name = names.and_then(|names| names.get(index).cloned()).unwrap_or_else(own);
        columns.push(Column { name, sql_type, role: ColumnRole::Key });
    }
    let options = codec_options(semantics.compatibility);
    // Only keys are written; the other half has no columns.
    Ok(Encoder::new(&columns, format_spec(format), FormatSpec::Json, &options)?)
}

/// The options that follow from the rules alone.
pub fn codec_options(compatibility: Compatibility) -> CodecOptions {
    use crate::format::NameMatch;
    use crate::format::TimeStyle;
    match compatibility {
        Compatibility::Postgres => CodecOptions::default(),
        Compatibility::Ksqldb => {
            CodecOptions { names: NameMatch::UpperFallback, times: TimeStyle::EpochMillis, ..CodecOptions::default() }
        }
    }
}

/// A relation's format in the words of `format`.
pub fn format_spec(format: Format) -> FormatSpec {
    match format {
        Format::None => FormatSpec::None,
        Format::Kafka => FormatSpec::Kafka,
        Format::Json => FormatSpec::Json,
        Format::Delimited { delimiter } => FormatSpec::Delimited { delimiter },
    }
}
