//! `TRANSFORM`, `FILTER` and `REDUCE`: a collection and what is computed of each of its elements.
//!
//! The planner makes a function of its own of each call, with the lambda's body in it; the columns that the body names are
//! arguments behind the collection. All elements of a batch go through the body at once, those of REDUCE place by place.

use std::fmt::Debug;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::LazyLock;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::interleave;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::Documentation;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::ExprSimplifyResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::create_physical_expr;

use super::definition::Picks;
use super::definition::failed;
use super::definition::map_span;
use super::definition::span;
use crate::error::Error;
use crate::error::SqlState;
use crate::functions::described::described;

/// What becomes of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LambdaKind {
    /// Each is exchanged.
    Transform,
    /// Each stays or goes.
    Filter,
    /// All become one value.
    Reduce,
}

impl LambdaKind {
    /// The name of the function, until its lambdas are planned.
    pub fn name(self) -> &'static str {
        match self {
            LambdaKind::Transform => "transform",
            LambdaKind::Filter => "filter",
            LambdaKind::Reduce => "reduce",
        }
    }
}

/// The body of a lambda over its parameters, then the columns that it names.
#[derive(Debug, Clone)]
pub struct LambdaBody {
    expr: Expr,
    schema: DFSchemaRef,
    physical: Arc<dyn PhysicalExpr>,
}

impl LambdaBody {
    /// A body whose columns are those of `schema`, in the order in which they come.
    pub fn new(expr: Expr, schema: DFSchema) -> Result<Self> {
        let schema = Arc::new(schema);
        let plain = in_plain_words(expr.clone(), &schema)?;
        let physical =
            create_physical_expr(&plain, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
        Ok(Self { expr, schema, physical })
    }

    fn evaluate(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(self.schema.inner()), columns, &options)?;
        self.physical.evaluate(&batch)?.into_array(rows)
    }
}

/// The expression with those functions said otherwise that say so: no optimiser comes by here, and COALESCE cannot be computed.
fn in_plain_words(expr: Expr, schema: &DFSchemaRef) -> Result<Expr> {
    let context = SimplifyContext::builder().with_schema(Arc::clone(schema)).build();
    let plain = expr.transform_up(|expr| {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return Ok(Transformed::no(expr)) };
        Ok(match func.simplify(args, &context)? {
            ExprSimplifyResult::Simplified(plain) => Transformed::yes(plain),
            ExprSimplifyResult::Original(args) => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        })
    });
    plain.map(|plain| plain.data)
}

/// One call of TRANSFORM, FILTER or REDUCE.
#[derive(Debug)]
pub struct Lambda {
    kind: LambdaKind,
    /// Two for TRANSFORM of a map, of its keys and its values; else one.
    bodies: Vec<LambdaBody>,
    result: DataType,
    signature: Signature,
}

impl PartialEq for Lambda {
    fn eq(&self, other: &Self) -> bool {
        let exprs = |lambda: &Self| lambda.bodies.iter().map(|body| body.expr.clone()).collect::<Vec<_>>();
        self.kind == other.kind && self.result == other.result && exprs(self) == exprs(other)
    }
}

impl Eq for Lambda {}

impl Hash for Lambda {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.bodies.iter().for_each(|body| body.expr.hash(state));
    }
}

impl Lambda {
    /// A call that gives `result`. Its arguments are the collection, for REDUCE the first value, and the columns that the
    /// bodies name.
    pub fn new(kind: LambdaKind, bodies: Vec<LambdaBody>, result: DataType) -> Self {
        Self { kind, bodies, result, signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

/// The elements of a batch of collections, one after the other.
struct Elements {
    /// The row of each.
    rows: UInt32Array,
    /// Where each stands among the collection's values.
    places: UInt32Array,
    /// How many each row has, `None` for a null.
    counts: Vec<Option<usize>>,
    /// Values of a list, or keys and values of a map.
    values: Vec<ArrayRef>,
}

impl Elements {
    fn of(collection: &ArrayRef) -> Result<Self> {
        let spans: Vec<_> = match collection.data_type() {
            DataType::Map(..) => (0..collection.len()).map(|row| map_span(collection.as_map(), row)).collect(),
            _ => (0..collection.len()).map(|row| span(collection.as_list::<i32>(), row)).collect(),
        };
        let values = match collection.data_type() {
            DataType::Map(..) => collection.as_map().entries().columns().to_vec(),
            _ => vec![Arc::clone(collection.as_list::<i32>().values())],
        };
        let too_many = |_| DataFusionError::ResourcesExhausted("more than 2^32 elements".to_owned());
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for (row, span) in spans.iter().enumerate() {
            for place in span.clone().into_iter().flatten() {
                rows.push(u32::try_from(row).map_err(too_many)?);
                places.push(u32::try_from(place).map_err(too_many)?);
            }
        }
        let counts = spans.into_iter().map(|span| span.map(|span| span.len())).collect();
        Ok(Self { rows: rows.into(), places: places.into(), counts, values })
    }

    /// The columns that a body sees: its parameters, then the columns that it names.
    fn columns(&self, named: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let parameters = self.values.iter().map(|values| Ok(take(values, &self.places, None)?));
        let named = named.iter().map(|column| Ok(take(column, &self.rows, None)?));
        parameters.chain(named).collect()
    }

    /// Rows of elements of which those stay that `keeps` tells.
    fn picks(&self, keeps: impl Fn(usize) -> Option<usize>) -> Result<Picks> {
        let mut picks = Picks::default();
        let mut next = 0;
        for count in &self.counts {
            for element in next..next + count.unwrap_or(0) {
                keeps(element).into_iter().for_each(|place| picks.push(0, place));
            }
            next += count.unwrap_or(0);
            picks.end(count.is_some())?;
        }
        Ok(picks)
    }
}

impl ScalarUDFImpl for Lambda {
    fn name(&self) -> &str {
        match self.kind {
            LambdaKind::Transform => "__transform",
            LambdaKind::Filter => "__filter",
            LambdaKind::Reduce => "__reduce",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> =
            args.args.iter().map(|argument| argument.to_array(args.number_rows)).collect::<Result<_>>()?;
        let elements = Elements::of(&arrays[0])?;
        Ok(ColumnarValue::Array(match self.kind {
            LambdaKind::Transform => self.transform(&elements, &arrays[1..])?,
            LambdaKind::Filter => self.filter(&elements, &arrays[1..])?,
            LambdaKind::Reduce => self.reduce(&elements, Arc::clone(&arrays[1]), &arrays[2..])?,
        }))
    }
}

impl Lambda {
    fn transform(&self, elements: &Elements, named: &[ArrayRef]) -> Result<ArrayRef> {
        let columns = elements.columns(named)?;
        let results: Vec<ArrayRef> = self
            .bodies
            .iter()
            .map(|body| body.evaluate(columns.clone(), elements.rows.len()))
            .collect::<Result<_>>()?;
        let picks = elements.picks(Some)?;
        match results.as_slice() {
            [values] => picks.lists(&[values], &self.result),
            [keys, values] => picks.maps(&[keys], &[values], &self.result),
            _ => datafusion::common::internal_err!("TRANSFORM has one lambda or two"),
        }
    }

    fn filter(&self, elements: &Elements, named: &[ArrayRef]) -> Result<ArrayRef> {
        let kept = self.bodies[0].evaluate(elements.columns(named)?, elements.rows.len())?;
        let kept = kept.as_boolean();
        let keeps = |element: usize| {
            let stays = kept.is_valid(element) && kept.value(element);
            stays.then(|| usize::try_from(elements.places.value(element)).unwrap_or_default())
        };
        let picks = elements.picks(keeps)?;
        match elements.values.as_slice() {
            [values] => picks.lists(&[values], &self.result),
            [keys, values] => picks.maps(&[keys], &[values], &self.result),
            _ => datafusion::common::internal_err!("a collection has values or entries"),
        }
    }

    fn reduce(&self, elements: &Elements, first: ArrayRef, named: &[ArrayRef]) -> Result<ArrayRef> {
        let longest = elements.counts.iter().flatten().copied().max().unwrap_or(0);
        let mut starts = Vec::with_capacity(elements.counts.len());
        let mut next = 0;
        for count in &elements.counts {
            starts.push(next);
            next += count.unwrap_or(0);
        }
        let mut found = first;
        for step in 0..longest {
            let has = |row: &usize| elements.counts[*row].is_some_and(|count| step < count) && found.is_valid(*row);
            let rows: Vec<usize> = (0..elements.counts.len()).filter(has).collect();
            let indices = |of: &dyn Fn(usize) -> usize| {
                UInt32Array::from_iter(rows.iter().map(|row| u32::try_from(of(*row)).ok()))
            };
            let own = indices(&|row| row);
            let element = take(&elements.places, &indices(&|row| starts[row] + step), None)?;
            let mut columns = vec![take(&found, &own, None)?];
            for values in &elements.values {
                columns.push(take(values, element.as_ref(), None)?);
            }
            for column in named {
                columns.push(take(column, &own, None)?);
            }
            let reduced = self.bodies[0].evaluate(columns, rows.len())?;
            let mut sources: Vec<(usize, usize)> = (0..found.len()).map(|row| (0, row)).collect();
            rows.iter().enumerate().for_each(|(place, row)| sources[*row] = (1, place));
            found = interleave(&[found.as_ref(), reduced.as_ref()], &sources)?;
        }
        Ok(found)
    }
}

/// What stands for a call until its lambdas are planned. It gives what its collection is, REDUCE what it begins with.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct UnplannedLambda {
    name: &'static str,
    signature: Signature,
}

impl UnplannedLambda {
    /// Those of all three functions, and of a lambda's text.
    pub fn all() -> [Self; 4] {
        ["transform", "filter", "reduce", "__lambda_text"]
            .map(|name| Self { name, signature: Signature::variadic_any(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for UnplannedLambda {
    fn name(&self) -> &str {
        self.name
    }

    fn documentation(&self) -> Option<&Documentation> {
        static TOLD: LazyLock<[(&str, Documentation); 3]> = LazyLock::new(|| {
            [
                (
                    "transform",
                    described(
                        "transform(array, x => expression) -> array\ntransform(map, (k, v) => key, (k, v) => value) -> map",
                        "A collection of what a lambda gives for each element. A NULL collection gives NULL.",
                    ),
                ),
                (
                    "filter",
                    described(
                        "filter(array, x => condition) -> array\nfilter(map, (k, v) => condition) -> map",
                        "The elements for which a lambda is true. A NULL collection gives NULL.",
                    ),
                ),
                (
                    "reduce",
                    described(
                        "reduce(array, first, (s, x) => expression) -> any\nreduce(map, first, (s, k, v) => expression) -> any",
                        "One value of all elements, in order. A NULL collection or first value gives NULL.",
                    ),
                ),
            ]
        });
        TOLD.iter().find(|(name, _)| *name == self.name).map(|(_, told)| told)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let place = usize::from(self.name == LambdaKind::Reduce.name());
        match arguments.get(place) {
            Some(of) => Ok(of.clone()),
            None => Err(crate::functions::rowwise::not_accepted(self.name, arguments)),
        }
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let message = format!("function {} has no lambda here", self.name);
        Err(failed(Error::new(SqlState::UNDEFINED_FUNCTION, message)))
    }
}
