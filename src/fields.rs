//! Values by column name, as an application writes them.

use tastedb_storage::Value;

/// What can be the value of a column.
///
/// ```
/// use tastedb::{IntoValue, Value};
///
/// assert_eq!("Heat".into_value(), Value::Text("Heat".to_string()));
/// assert_eq!(1995.into_value(), Value::Int(1995));
/// assert_eq!(None::<&str>.into_value(), Value::Null);
/// ```
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

macro_rules! into_value {
    ($($from:ty => |$x:ident| $value:expr;)*) => {
        $(impl IntoValue for $from {
            fn into_value(self) -> Value {
                let $x = self;
                $value
            }
        })*
    };
}

into_value! {
    Value => |x| x;
    bool => |x| Value::Bool(x);
    i32 => |x| Value::Int(x.into());
    i64 => |x| Value::Int(x);
    u32 => |x| Value::Int(x.into());
    f32 => |x| Value::Real(x.into());
    f64 => |x| Value::Real(x);
    &str => |x| Value::Text(x.to_string());
    String => |x| Value::Text(x);
    &String => |x| Value::Text(x.clone());
    Vec<String> => |x| Value::TextList(x);
    &[&str] => |x| Value::TextList(x.iter().map(|text| text.to_string()).collect());
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

/// The columns of one row and their values.
///
/// Made from nothing, from pairs of one type, or step by step:
///
/// ```
/// use tastedb::Fields;
///
/// let none = Fields::from(());
/// let one = Fields::from([("country", "NO")]);
/// let more = Fields::new().set("title", "Heat").set("year", 1995);
/// assert_eq!((none.len(), one.len(), more.len()), (0, 1, 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// No fields yet.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// These fields and one more. A column that is set twice has the later value.
    #[must_use]
    pub fn set(mut self, column: impl Into<String>, value: impl IntoValue) -> Fields {
        self.0.push((column.into(), value.into_value()));
        self
    }

    /// How many were set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn into_pairs(self) -> Vec<(String, Value)> {
        self.0
    }
}

impl From<()> for Fields {
    fn from((): ()) -> Fields {
        Fields::default()
    }
}

impl<K: Into<String>, V: IntoValue, const N: usize> From<[(K, V); N]> for Fields {
    fn from(pairs: [(K, V); N]) -> Fields {
        Fields(pairs.into_iter().map(|(k, v)| (k.into(), v.into_value())).collect())
    }
}

impl<K: Into<String>, V: IntoValue> FromIterator<(K, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Fields {
        Fields(pairs.into_iter().map(|(k, v)| (k.into(), v.into_value())).collect())
    }
}
