//! `pg_advisory_lock(key)` and its kin, over a session's locks.

use std::hash::Hash;
use std::hash::Hasher;
use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::Array;
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::StringArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::logical_expr::ScalarFunctionArgs;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;
use datafusion::logical_expr::Signature;
use datafusion::logical_expr::TypeSignature;
use datafusion::logical_expr::Volatility;
use datafusion::logical_expr::async_udf::AsyncScalarUDF;
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use sqlparser::ast;

use super::session_settings::plain_name;
use crate::engine::advisory::Key;
use crate::engine::advisory::Level;
use crate::engine::advisory::Mode;
use crate::engine::advisory::SessionLocks;
use crate::engine::lock_timeout::LockTimeout;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::SqlState;
use crate::sql::walk;

/// What a function does with a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    /// Waits for it.
    Lock(Mode, Level),
    /// Takes it if nobody has it.
    Try(Mode, Level),
    /// Lets go of it.
    Unlock(Mode),
    /// Lets go of all.
    UnlockAll,
}

const FUNCTIONS: [(&str, Action); 11] = [
    ("pg_advisory_lock", Action::Lock(Mode::Exclusive, Level::Session)),
    ("pg_advisory_lock_shared", Action::Lock(Mode::Shared, Level::Session)),
    ("pg_advisory_xact_lock", Action::Lock(Mode::Exclusive, Level::Transaction)),
    ("pg_advisory_xact_lock_shared", Action::Lock(Mode::Shared, Level::Transaction)),
    ("pg_try_advisory_lock", Action::Try(Mode::Exclusive, Level::Session)),
    ("pg_try_advisory_lock_shared", Action::Try(Mode::Shared, Level::Session)),
    ("pg_try_advisory_xact_lock", Action::Try(Mode::Exclusive, Level::Transaction)),
    ("pg_try_advisory_xact_lock_shared", Action::Try(Mode::Shared, Level::Transaction)),
    ("pg_advisory_unlock", Action::Unlock(Mode::Exclusive)),
    ("pg_advisory_unlock_shared", Action::Unlock(Mode::Shared)),
    ("pg_advisory_unlock_all", Action::UnlockAll),
];

/// The functions of this file that a statement calls.
pub(super) fn called(statement: &ast::Statement, session: &Session) -> Vec<Arc<ScalarUDF>> {
    let mut found: Vec<Arc<ScalarUDF>> = Vec::new();
    let flow = walk::walk(statement, |node| {
        let name = match node {
            walk::Node::Expression(ast::Expr::Function(function)) => plain_name(&function.name),
            walk::Node::TableFactor(
                ast::TableFactor::Table { name, args: Some(_), .. } | ast::TableFactor::Function { name, .. },
            ) => plain_name(name),
            _ => return ControlFlow::<()>::Continue(()),
        };
        let is_new = found.iter().all(|known| known.name() != name);
        if let Some((name, action)) = FUNCTIONS.into_iter().find(|(known, _)| is_new && *known == name) {
            let function = Function::new(name, action, session);
            found.push(Arc::new(AsyncScalarUDF::new(Arc::new(function)).into_scalar_udf()));
        }
        ControlFlow::Continue(())
    });
    debug_assert!(flow.is_continue());
    found
}

struct Function {
    name: &'static str,
    action: Action,
    locks: Arc<SessionLocks>,
    timeout: LockTimeout,
    signature: Signature,
}

impl Function {
    fn new(name: &'static str, action: Action, session: &Session) -> Self {
        let signature = match action {
            Action::UnlockAll => TypeSignature::Nullary,
            _ => TypeSignature::OneOf(vec![
                TypeSignature::Exact(vec![DataType::Int64]),
                // Numbers that are written out are of 64 bits.
                TypeSignature::Exact(vec![DataType::Int64, DataType::Int64]),
            ]),
        };
        let signature = Signature::new(signature, Volatility::Volatile);
        Self { name, action, locks: Arc::clone(&session.locks), timeout: LockTimeout::of(session), signature }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

// One session has one function of a name at a time.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// PostgreSQL's `void` is an empty text.
    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.action {
            Action::Lock(..) | Action::UnlockAll => DataType::Utf8,
            Action::Try(..) | Action::Unlock(_) => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(format!("{} may wait", self.name)))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Function {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let keys: Vec<ArrayRef> =
            args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let mut answers = Vec::with_capacity(rows);
        for row in 0..rows {
            let answer = match (self.action, key(&keys, row)?) {
                (Action::UnlockAll, _) => {
                    self.locks.release(Level::Session);
                    Some(true)
                }
                (_, None) => None,
                (Action::Lock(mode, level), Some(key)) => {
                    self.timeout.bound(self.locks.lock(key, mode, level)).await.map_err(refused)?;
                    Some(true)
                }
                (Action::Try(mode, level), Some(key)) => Some(self.locks.attempt(key, mode, level).map_err(refused)?),
                (Action::Unlock(mode), Some(key)) => Some(self.locks.unlock(key, mode)),
            };
            answers.push(answer);
        }
        Ok(ColumnarValue::Array(match self.action {
            Action::Try(..) | Action::Unlock(_) => Arc::new(BooleanArray::from(answers)),
            Action::Lock(..) | Action::UnlockAll => {
                let texts = answers.into_iter().map(|answer| answer.map(|_| ""));
                Arc::new(texts.collect::<StringArray>())
            }
        }))
    }
}

fn refused(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What a row locks, `None` where it is null.
fn key(arguments: &[ArrayRef], row: usize) -> Result<Option<Key>> {
    let is_told = arguments.iter().all(|argument| argument.is_valid(row));
    let number = |argument: &ArrayRef| argument.as_primitive::<Int64Type>().value(row);
    let part = |argument: &ArrayRef| {
        i32::try_from(number(argument))
            .map_err(|_| refused(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range")))
    };
    Ok(match arguments {
        [one] if is_told => Some(Key::One(number(one))),
        [one, two] if is_told => Some(Key::Two(part(one)?, part(two)?)),
        _ => None,
    })
}
