//! The types that a table of somebody else's making may give our columns, and whether they hold
//! our values: each one exactly, or it is said which one does not fit.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int16Type, Int32Type, Int64Type, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::schema::Kind;
use crate::warehouse::Batches;

use super::{Misfit, PostgresError, copy};

/// The type of a column, as far as it matters for what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    /// With so many digits in all, and so many of them after the point.
    Numeric(Option<(usize, usize)>),
    Timestamp,
    /// Of so many characters at most.
    Text(Option<usize>),
}

impl Holder {
    /// The one for a base type of the server, by its name, and its modifier.
    pub(super) fn of(name: &str, modifier: i32) -> Option<Self> {
        // Lengths and digits are kept with four added.
        let limit = usize::try_from(modifier - 4).ok();
        Some(match name {
            "int2" => Self::Smallint,
            "int4" => Self::Integer,
            "int8" => Self::Bigint,
            "float4" => Self::Real,
            "float8" => Self::Double,
            "numeric" => match limit {
                None => Self::Numeric(None),
                Some(limit) => {
                    let scale = ((limit & 0x7ff) as i32 ^ 1024) - 1024;
                    Self::Numeric(Some(((limit >> 16) & 0xffff, usize::try_from(scale).ok()?)))
                }
            },
            "timestamp" if modifier == -1 || modifier == 6 => Self::Timestamp,
            "text" | "citext" => Self::Text(None),
            "varchar" | "bpchar" => Self::Text(limit),
            "char" => Self::Text(Some(1)),
            "name" => Self::Text(Some(63)),
            _ => return None,
        })
    }

    /// The one that a column is made with.
    pub(super) const fn natural(kind: Kind) -> Self {
        match kind {
            Kind::Code(_) => Self::Smallint,
            Kind::Seconds => Self::Integer,
            Kind::Whole => Self::Bigint,
            Kind::Number => Self::Double,
            Kind::Time => Self::Timestamp,
            Kind::Text | Kind::Base | Kind::Flag | Kind::Any => Self::Text(None),
        }
    }

    /// Whether it can hold values of a kind; whether it holds each one shows when it comes.
    pub(super) const fn may_hold(self, kind: Kind) -> bool {
        match kind {
            Kind::Code(_) => !matches!(self, Self::Timestamp),
            Kind::Seconds => !matches!(self, Self::Timestamp | Self::Smallint | Self::Real),
            Kind::Whole => {
                matches!(self, Self::Bigint | Self::Double | Self::Numeric(_) | Self::Text(_))
            }
            // A real has seven digits: 17.16 would be read back as 17.15999984.
            Kind::Number => matches!(self, Self::Double | Self::Numeric(_) | Self::Text(_)),
            Kind::Time => matches!(self, Self::Timestamp),
            Kind::Text | Kind::Base | Kind::Flag | Kind::Any => matches!(self, Self::Text(_)),
        }
    }
}

/// How a column of the table holds what comes for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) column: &'static str,
    pub(super) holder: Holder,
    /// The type as it is declared, for people.
    pub(super) declared: String,
}

impl Held {
    fn misfit(&self, value: impl fmt::Display) -> ArrowError {
        let misfit = Misfit {
            column: self.column.to_owned(),
            declared: self.declared.clone(),
            value: value.to_string(),
        };
        ArrowError::ExternalError(Box::new(PostgresError::Misfit(misfit)))
    }

    /// Its values as the column's type takes them.
    fn fit(&self, array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match array.data_type() {
            DataType::Int16 => {
                let values = array.as_primitive::<Int16Type>();
                self.fit_whole(array, values.iter().map(|value| value.map(i64::from)))
            }
            DataType::Int32 => {
                let values = array.as_primitive::<Int32Type>();
                self.fit_whole(array, values.iter().map(|value| value.map(i64::from)))
            }
            DataType::Int64 => self.fit_whole(array, array.as_primitive::<Int64Type>().iter()),
            DataType::Timestamp(..) if matches!(self.holder, Holder::Text(_)) => {
                let options =
                    FormatOptions::new().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"));
                let times = ArrayFormatter::try_new(array, &options)?;
                let times = (0..array.len())
                    .map(|row| array.is_valid(row).then(|| times.value(row).to_string()));
                Ok(Arc::new(times.collect::<StringArray>()))
            }
            DataType::Float64 => self.fit_number(array, array.as_primitive::<Float64Type>().iter()),
            DataType::Utf8 => self.fit_text(array, array.as_string::<i32>().iter()),
            DataType::Utf8View => self.fit_text(array, array.as_string_view().iter()),
            _ => Ok(array.clone()),
        }
    }

    fn fit_whole(
        &self,
        array: &ArrayRef,
        values: impl Iterator<Item = Option<i64>>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match (self.holder, array.data_type()) {
            (Holder::Smallint, DataType::Int16)
            | (Holder::Integer, DataType::Int32)
            | (Holder::Bigint, DataType::Int64) => array.clone(),
            (Holder::Integer, _) => {
                Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Int32Array>())
            }
            (Holder::Bigint, _) => Arc::new(values.collect::<Int64Array>()),
            (Holder::Real, _) => {
                Arc::new(values.map(|v| v.map(|v| v as f32)).collect::<Float32Array>())
            }
            (Holder::Double, _) => {
                let exact = |value: i64| {
                    let float = value as f64;
                    if float as i128 == i128::from(value) {
                        Ok(float)
                    } else {
                        Err(self.misfit(value))
                    }
                };
                let floats = values.map(|value| value.map(exact).transpose());
                Arc::new(floats.collect::<Result<Float64Array, _>>()?)
            }
            (Holder::Numeric(digits), _) => self.numerics(digits, values)?,
            (Holder::Text(most), _) => {
                let texts: StringArray = values.map(|v| v.map(|v| v.to_string())).collect();
                self.check_lengths(most, texts.iter())?;
                Arc::new(texts)
            }
            (Holder::Smallint | Holder::Timestamp, _) => return Err(self.misfit("of its kind")),
        })
    }

    fn fit_number(
        &self,
        array: &ArrayRef,
        values: impl Iterator<Item = Option<f64>>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(match self.holder {
            Holder::Double => array.clone(),
            Holder::Numeric(digits) => self.numerics(digits, values)?,
            Holder::Text(most) => {
                let texts: StringArray = values.map(|v| v.map(|v| v.to_string())).collect();
                self.check_lengths(most, texts.iter())?;
                Arc::new(texts)
            }
            _ => return Err(self.misfit("of its kind")),
        })
    }

    fn fit_text<'a>(
        &self,
        array: &ArrayRef,
        values: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<ArrayRef, ArrowError> {
        match self.holder {
            Holder::Text(most) => self.check_lengths(most, values)?,
            _ => return Err(self.misfit("of its kind")),
        }
        Ok(array.clone())
    }

    fn check_lengths<'a>(
        &self,
        most: Option<usize>,
        values: impl Iterator<Item = Option<&'a str>>,
    ) -> Result<(), ArrowError> {
        let Some(most) = most else { return Ok(()) };
        match values.flatten().find(|text| text.len() > most && text.chars().count() > most) {
            Some(text) => Err(self.misfit(format!("'{text}'"))),
            None => Ok(()),
        }
    }

    fn numerics(
        &self,
        digits: Option<(usize, usize)>,
        values: impl Iterator<Item = Option<impl fmt::Display>>,
    ) -> Result<ArrayRef, ArrowError> {
        let encoded = values.map(|value| {
            let Some(value) = value else { return Ok(None) };
            let text = value.to_string();
            let encoded = copy::numeric(&text, digits).ok_or_else(|| self.misfit(&text))?;
            Ok::<_, ArrowError>(Some(encoded))
        });
        let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(encoded.iter().map(Option::as_deref).collect::<BinaryArray>()))
    }
}

/// The batches with the types that the table has. Those that it was made with cost nothing.
pub(super) fn fitted(batches: Batches, held: Vec<Held>, natural: bool) -> Batches {
    if natural {
        return batches;
    }
    Box::new(batches.map(move |batch| {
        let batch = batch?;
        let columns = held.iter().zip(batch.columns()).map(|(held, array)| held.fit(array));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().zip(&held).map(|(array, held)| {
            Field::new(held.column, array.data_type().clone(), array.null_count() > 0)
        });
        RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_name_and_modifier() {
        assert_eq!(Holder::of("numeric", -1), Some(Holder::Numeric(None)));
        assert_eq!(
            Holder::of("numeric", ((10 << 16) | 2) + 4),
            Some(Holder::Numeric(Some((10, 2))))
        );
        // numeric(3,-2) rounds to hundreds.
        assert_eq!(Holder::of("numeric", ((3 << 16) | 0x7fe) + 4), None);
        assert_eq!(Holder::of("varchar", 7), Some(Holder::Text(Some(3))));
        assert_eq!(Holder::of("varchar", -1), Some(Holder::Text(None)));
        assert_eq!(Holder::of("timestamp", 3), None);
        assert_eq!(Holder::of("money", -1), None);
    }

    #[test]
    fn what_would_be_rounded_or_cut_is_refused_by_value() {
        let held = |holder| Held { column: "c", holder, declared: "t".to_owned() };
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.25), None, Some(-0.125)]));
        assert!(held(Holder::Numeric(None)).fit(&numbers).is_ok());
        assert!(held(Holder::Numeric(Some((4, 3)))).fit(&numbers).is_ok());
        assert!(held(Holder::Numeric(Some((10, 2)))).fit(&numbers).is_err());
        assert!(held(Holder::Real).fit(&numbers).is_err());
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["é", "Y"]));
        assert!(held(Holder::Text(Some(1))).fit(&texts).is_ok());
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["YN"]));
        assert!(held(Holder::Text(Some(1))).fit(&texts).is_err());
    }
}
