//! The system columns that follow the user's columns in every batch between operators.
//!
//! They exist only physically: plans and expressions see user columns, which come first and keep their indexes.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::Int8Array;
use arrow::array::Int64Array;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::datatypes::Field;
use arrow::datatypes::FieldRef;
use arrow::datatypes::Int8Type;
use arrow::datatypes::Int64Type;
use arrow::datatypes::Schema;
use arrow::datatypes::SchemaRef;

/// How the rows of an edge are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Changes {
    /// Facts. `__op` 1 marks a record without value.
    Append,
    /// The latest row of a key. `__op` 1 is a tombstone.
    Upsert,
    /// `__weight` +1 is a row that comes, -1 one that goes.
    Retract,
}

/// `__seq` of rows that no record of the round stands for, such as those of a window that closes: from here on, below those of
/// all records.
pub const SEQ_OF_NO_RECORD: i64 = i64::MIN;

/// `__op` of a row.
pub const OP_VALUE: i8 = 0;
/// `__op` of a tombstone, or of a stream's record without value.
pub const OP_NO_VALUE: i8 = 1;

/// Where the system columns of an edge stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// User columns followed by system columns.
    pub schema: SchemaRef,
    /// How rows are to be understood.
    pub changes: Changes,
    users: usize,
}

impl Layout {
    /// The layout of an edge with these user columns.
    pub fn new(user: &Schema, changes: Changes) -> Self {
        let mut fields: Vec<FieldRef> = user.fields().iter().map(nullable).collect();
        let users = fields.len();
        for name in ["__time", "__clock", "__seq"] {
            fields.push(Arc::new(Field::new(name, DataType::Int64, false)));
        }
        fields.push(Arc::new(match changes {
            Changes::Append | Changes::Upsert => Field::new("__op", DataType::Int8, false),
            Changes::Retract => Field::new("__weight", DataType::Int64, false),
        }));
        Self { schema: Arc::new(Schema::new(fields)), changes, users }
    }

    /// How many user columns there are.
    pub fn users(&self) -> usize {
        self.users
    }

    /// The schema of the user columns.
    pub fn user_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.schema.fields()[..self.users].to_vec()))
    }

    /// The same system columns behind other user columns.
    pub fn with_user(&self, user: &Schema) -> Self {
        Self::new(user, self.changes)
    }

    /// Event times, milliseconds.
    pub fn times<'a>(&self, batch: &'a RecordBatch) -> &'a Int64Array {
        batch.column(self.users).as_primitive::<Int64Type>()
    }

    /// Stream time at each row, milliseconds.
    pub fn clocks<'a>(&self, batch: &'a RecordBatch) -> &'a Int64Array {
        batch.column(self.users + 1).as_primitive::<Int64Type>()
    }

    /// The place of each row in the round's order.
    pub fn seqs<'a>(&self, batch: &'a RecordBatch) -> &'a Int64Array {
        batch.column(self.users + 2).as_primitive::<Int64Type>()
    }

    /// Value or no value, on an edge that is not `Retract`.
    pub fn ops<'a>(&self, batch: &'a RecordBatch) -> &'a Int8Array {
        batch.column(self.users + 3).as_primitive::<Int8Type>()
    }

    /// Weights, on a `Retract` edge.
    pub fn weights<'a>(&self, batch: &'a RecordBatch) -> &'a Int64Array {
        batch.column(self.users + 3).as_primitive::<Int64Type>()
    }

    /// Whether the batch has a row without value.
    pub fn has_no_value(&self, batch: &RecordBatch) -> bool {
        self.changes != Changes::Retract && self.ops(batch).values().iter().any(|op| *op != OP_VALUE)
    }
}

fn nullable(field: &FieldRef) -> FieldRef {
    if field.is_nullable() { Arc::clone(field) } else { Arc::new(field.as_ref().clone().with_nullable(true)) }
}
