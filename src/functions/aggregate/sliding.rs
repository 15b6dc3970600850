//! An aggregate over a frame that moves. Most take back what has left the frame; of those that cannot, the rows in the frame
//! are kept, and aggregated anew when they are asked for. So are those of DataFusion's that compute with doubles: a great double
//! that is subtracted again leaves nothing of the small ones.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::FieldRef;
use datafusion::arrow::datatypes::Schema;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::AggregateUDFImpl;
use datafusion::logical_expr::ReversedUDAF;
use datafusion::logical_expr::SetMonotonicity;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::expr::WindowFunctionParams;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::scalar::ScalarValue;

use super::ExtremeFunction;
use super::TotalFunction;

/// See the file's head.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sliding {
    stock: Arc<AggregateUDF>,
}

impl Sliding {
    /// The function over frames that move.
    pub fn over(stock: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
        match stock.inner().is::<Self>() {
            true => stock,
            false => Arc::new(AggregateUDF::new_from_impl(Self { stock })),
        }
    }
}

impl AggregateUDFImpl for Sliding {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.stock.window_function_schema_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.stock.window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.coerce_types(arguments)
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arguments)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        self.stock.return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.stock.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.stock.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.stock.state_fields(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let call = Call::new(Arc::clone(&self.stock), &args);
        let gives_double = args.return_field.data_type().is_floating();
        let taking_back = self.stock.create_sliding_accumulator(args)?;
        let loses_digits = gives_double && !is_ours(&self.stock);
        Ok(match taking_back.supports_retract_batch() && !loses_digits {
            true => taking_back,
            false => Box::new(Frame { call, columns: Vec::new() }),
        })
    }

    fn with_beneficial_ordering(self: Arc<Self>, is_ordered: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let ordered = Arc::clone(self.stock.inner()).with_beneficial_ordering(is_ordered)?;
        Ok(ordered.map(|ordered| {
            let stock = Arc::new(AggregateUDF::new_from_shared_impl(ordered));
            Arc::new(Self { stock }) as Arc<dyn AggregateUDFImpl>
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.stock.reverse_udf() {
            ReversedUDAF::Reversed(other) => ReversedUDAF::Reversed(Self::over(other)),
            same => same,
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.stock.is_descending()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.stock.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.stock.supports_null_handling_clause()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.stock.inner().set_monotonicity(data_type)
    }
}

/// Our own sums of doubles have twice their digits, and the least and the greatest compute nothing.
fn is_ours(function: &AggregateUDF) -> bool {
    function.inner().is::<TotalFunction>() || function.inner().is::<ExtremeFunction>()
}

/// A call of a function, which can be begun anew.
#[derive(Debug)]
struct Call {
    function: Arc<AggregateUDF>,
    return_field: FieldRef,
    schema: Schema,
    ignore_nulls: bool,
    order_bys: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    expr_fields: Vec<FieldRef>,
}

impl Call {
    fn new(function: Arc<AggregateUDF>, args: &AccumulatorArgs) -> Self {
        Self {
            function,
            return_field: Arc::clone(&args.return_field),
            schema: args.schema.clone(),
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys.to_vec(),
            is_reversed: args.is_reversed,
            name: args.name.to_string(),
            is_distinct: args.is_distinct,
            exprs: args.exprs.to_vec(),
            expr_fields: args.expr_fields.to_vec(),
        }
    }

    fn begun(&self) -> Result<Box<dyn Accumulator>> {
        self.function.accumulator(AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.order_bys,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.exprs,
            expr_fields: &self.expr_fields,
        })
    }
}

/// The rows that are in the frame, in their order: those that leave it are the first.
#[derive(Debug)]
struct Frame {
    call: Call,
    columns: Vec<ArrayRef>,
}

impl Frame {
    fn aggregated(&self) -> Result<Box<dyn Accumulator>> {
        let mut accumulator = self.call.begun()?;
        if self.columns.first().is_some_and(|column| !column.is_empty()) {
            accumulator.update_batch(&self.columns)?;
        }
        Ok(accumulator)
    }
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.columns.is_empty() {
            self.columns = values.to_vec();
            return Ok(());
        }
        assert_eq!(self.columns.len(), values.len(), "a call has as many arguments as before");
        for (column, new) in self.columns.iter_mut().zip(values) {
            *column = concat(&[column.as_ref(), new.as_ref()])?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (column, gone) in self.columns.iter_mut().zip(values) {
            assert!(gone.len() <= column.len(), "only what is in the frame leaves it");
            *column = column.slice(gone.len(), column.len() - gone.len());
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.aggregated()?.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.columns.iter().map(|column| column.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.aggregated()?.state()
    }

    /// Frames are aggregated whole.
    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        Err(DataFusionError::Internal(format!("{} over a frame has no partial states", self.call.name)))
    }
}
