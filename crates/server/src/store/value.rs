//! Statements, their parameters and their rows, the same for both databases.

use super::error::StoreError;

/// A value of a parameter or a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// A text without NUL.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One SQL statement, with the text that both databases run. Its parameters are `$1`, `$2` and so
/// on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text.
    pub text: &'static str,
    /// The parameters, in order.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement with its parameters.
    pub fn new<const N: usize>(text: &'static str, parameters: [Value; N]) -> Self {
        Self {
            text,
            parameters: parameters.into(),
        }
    }
}

/// A row of a result, read from left to right.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    /// From its values.
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column, a number.
    pub fn int(&mut self) -> Result<i64, StoreError> {
        self.optional_int()?.ok_or_else(|| unexpected("a number"))
    }

    /// The next column, a number or nothing.
    pub fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.0.next() {
            Some(Value::Int(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected("a number")),
        }
    }

    /// The next column, a text.
    pub fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(|| unexpected("a text"))
    }

    /// The next column, a text or nothing.
    pub fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.0.next() {
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(unexpected("a text")),
        }
    }

    /// The next column, bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.0.next() {
            Some(Value::Bytes(value)) => Ok(value),
            _ => Err(unexpected("bytes")),
        }
    }

    /// The next column, 0 or 1.
    pub fn flag(&mut self) -> Result<bool, StoreError> {
        self.int().map(|value| value == 1)
    }

    /// The next column, parsed from its text.
    pub fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, StoreError> {
        self.optional_parsed()?
            .ok_or_else(|| unexpected(std::any::type_name::<T>()))
    }

    /// The next column, parsed from its text, or nothing.
    pub fn optional_parsed<T: std::str::FromStr>(&mut self) -> Result<Option<T>, StoreError> {
        let parse = |text: String| text.parse();
        let parsed = self.optional_text()?.map(parse).transpose();
        parsed.map_err(|_| unexpected(std::any::type_name::<T>()))
    }
}

/// The database has a value of another kind than this program writes.
pub(super) fn unexpected(kind: &str) -> StoreError {
    StoreError::Broken(format!("a column does not have {kind}"))
}
