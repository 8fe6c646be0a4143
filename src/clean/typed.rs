//! Columns under construction: a batch of records, split and typed but not yet judged.

use polars::prelude::*;
use polars_arrow::array::{Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;

use crate::schema::{Column as Canonical, Kind};

/// A batch of typed columns, one for each canonical column of a colour. A record that could
/// not be read is there as nulls, and named by its reader.
#[derive(Debug)]
pub(super) struct Typed {
    columns: Vec<Growing>,
    rows: usize,
}

#[derive(Debug)]
struct Growing {
    values: Values,
    nulls: Vec<u32>,
}

/// The values of a column; where one is null, a value that means nothing.
#[derive(Debug)]
pub(super) enum Values {
    Code(Vec<i16>),
    Seconds(Vec<i32>),
    Whole(Vec<i64>),
    Number(Vec<f64>),
    /// Microseconds since 1970.
    Time(Vec<i64>),
    Text(Texts),
}

/// Texts, each a view: a short one holds its bytes, a long one says where they are.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) views: Vec<View>,
    long: Vec<u8>,
}

impl Texts {
    fn with_capacity(texts: usize) -> Self {
        Self { views: Vec::with_capacity(texts), long: Vec::new() }
    }

    /// The same long texts, with room for so many views of them.
    pub(super) fn emptied(&self, room: usize) -> Self {
        Self { views: Vec::with_capacity(room), long: self.long.clone() }
    }

    /// Pushes a text; its bytes must be UTF-8.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) {
        let view = self.viewed(text);
        self.views.push(view);
    }

    /// The text of a view.
    pub(super) fn get<'a>(&'a self, view: &'a View) -> &'a [u8] {
        let long = || &self.long[view.offset as usize..][..view.length as usize];
        view.get_inlined_slice().unwrap_or_else(long)
    }

    /// Puts a text in the place of another.
    pub(super) fn replace(&mut self, row: usize, text: &[u8]) {
        let view = self.viewed(text);
        self.views[row] = view;
    }

    fn viewed(&mut self, text: &[u8]) -> View {
        if text.len() <= View::MAX_INLINE_SIZE as usize {
            View::new_inline(text)
        } else {
            let view = View::new_from_bytes(text, 0, self.long.len() as u32);
            self.long.extend_from_slice(text);
            view
        }
    }
}

impl Typed {
    /// Room for so many records of these columns.
    pub(super) fn new(schema: &[&'static Canonical], mapped: &[bool], rows: usize) -> Self {
        let grow = |(column, mapped): (&&Canonical, &bool)| {
            Growing::new(column.kind, if *mapped { rows } else { 0 })
        };
        Self { columns: schema.iter().zip(mapped).map(grow).collect(), rows: 0 }
    }

    /// The values of a column, to push the next one.
    #[inline]
    pub(super) fn values(&mut self, column: usize) -> &mut Values {
        &mut self.columns[column].values
    }

    /// Pushes a null.
    #[inline]
    pub(super) fn push_null(&mut self, column: usize) {
        let row = self.rows as u32;
        let Growing { values, nulls } = &mut self.columns[column];
        nulls.push(row);
        match values {
            Values::Code(values) => values.push(0),
            Values::Seconds(values) => values.push(0),
            Values::Number(values) => values.push(0.0),
            Values::Whole(values) | Values::Time(values) => values.push(0),
            Values::Text(texts) => texts.views.push(View::default()),
        }
    }

    /// Takes back the null just pushed for the record in hand; false if it is not a null.
    pub(super) fn take_back_null(&mut self, column: usize) -> bool {
        let Growing { values, nulls } = &mut self.columns[column];
        if nulls.last() != Some(&(self.rows as u32)) {
            return false;
        }
        nulls.pop();
        match values {
            Values::Code(values) => _ = values.pop(),
            Values::Seconds(values) => _ = values.pop(),
            Values::Number(values) => _ = values.pop(),
            Values::Whole(values) | Values::Time(values) => _ = values.pop(),
            Values::Text(texts) => _ = texts.views.pop(),
        }
        true
    }

    /// Takes back the value just pushed for the record in hand, which already had one; whether
    /// the two are equal.
    pub(super) fn take_back_equal(&mut self, column: usize) -> bool {
        fn equal<T: PartialEq>(values: &mut Vec<T>) -> bool {
            let last = values.pop();
            last.as_ref() == values.last()
        }
        match &mut self.columns[column].values {
            Values::Code(values) => equal(values),
            Values::Seconds(values) => equal(values),
            Values::Number(values) => equal(values),
            Values::Whole(values) | Values::Time(values) => equal(values),
            Values::Text(texts) => match (texts.views.pop(), texts.views.last()) {
                (Some(last), Some(before)) => texts.get(&last) == texts.get(before),
                _ => false,
            },
        }
    }

    /// Ends the record in hand, for which every mapped column has one value or null.
    #[inline]
    pub(super) fn end_record(&mut self) {
        self.rows += 1;
    }

    /// Room for so many records of one column.
    pub(super) fn of_kind(kind: Kind, rows: usize) -> Self {
        Self { columns: vec![Growing::new(kind, rows)], rows: 0 }
    }

    /// So many records of nulls: what a reader of columns begins with.
    pub(super) fn of_rows(schema: &[&'static Canonical], rows: usize) -> Self {
        Self { rows, ..Self::new(schema, &vec![false; schema.len()], 0) }
    }

    /// Replaces a whole column: what a reader of columns does.
    pub(super) fn set(&mut self, column: usize, values: Values, nulls: Vec<u32>) {
        self.columns[column] = Growing { values, nulls };
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The first column alone.
    pub(super) fn into_only(self) -> (Values, Vec<u32>) {
        let only = self.columns.into_iter().next();
        only.map_or((Values::Code(Vec::new()), Vec::new()), |column| (column.values, column.nulls))
    }

    /// The batch as a frame: times as microseconds in 64-bit integers, absent columns null.
    pub(super) fn into_frame(self, schema: &[&'static Canonical]) -> PolarsResult<DataFrame> {
        let rows = self.rows;
        let columns = schema
            .iter()
            .zip(self.columns)
            .map(|(column, growing)| growing.into_column(column.name.into(), rows))
            .collect::<PolarsResult<_>>()?;
        DataFrame::new(rows, columns)
    }
}

impl Growing {
    fn new(kind: Kind, room: usize) -> Self {
        let values = match kind {
            Kind::Code(_) => Values::Code(Vec::with_capacity(room)),
            Kind::Seconds => Values::Seconds(Vec::with_capacity(room)),
            Kind::Whole => Values::Whole(Vec::with_capacity(room)),
            Kind::Number => Values::Number(Vec::with_capacity(room)),
            Kind::Time => Values::Time(Vec::with_capacity(room)),
            Kind::Text | Kind::Base | Kind::Flag | Kind::Any => {
                Values::Text(Texts::with_capacity(room))
            }
        };
        Self { values, nulls: Vec::new() }
    }

    fn into_column(self, name: PlSmallStr, rows: usize) -> PolarsResult<Column> {
        let empty = match &self.values {
            Values::Code(values) => values.is_empty(),
            Values::Seconds(values) => values.is_empty(),
            Values::Number(values) => values.is_empty(),
            Values::Whole(values) | Values::Time(values) => values.is_empty(),
            Values::Text(texts) => texts.views.is_empty(),
        };
        let validity = if empty && rows > 0 {
            Some(Bitmap::new_with_value(false, rows))
        } else {
            validity(&self.nulls, rows)
        };
        Ok(match self.values {
            Values::Code(values) => {
                Int16Chunked::from_vec_validity(name, sized(values, rows), validity).into_column()
            }
            Values::Seconds(values) => {
                Int32Chunked::from_vec_validity(name, sized(values, rows), validity).into_column()
            }
            Values::Number(values) => {
                Float64Chunked::from_vec_validity(name, sized(values, rows), validity).into_column()
            }
            Values::Whole(values) | Values::Time(values) => {
                Int64Chunked::from_vec_validity(name, sized(values, rows), validity).into_column()
            }
            Values::Text(texts) => {
                let views = sized(texts.views, rows).into();
                let long = vec![texts.long.into()].into();
                let array = Utf8ViewArray::try_new(ArrowDataType::Utf8View, views, long, validity)?;
                StringChunked::with_chunk(name, array).into_column()
            }
        })
    }
}

fn sized<T: Default + Clone>(mut values: Vec<T>, rows: usize) -> Vec<T> {
    values.resize(rows, T::default());
    values
}

/// The bits that say which rows hold a value; `None` if all do.
fn validity(nulls: &[u32], rows: usize) -> Option<Bitmap> {
    (!nulls.is_empty()).then(|| all_but(nulls.iter().copied(), rows))
}

/// A bit for each row, set but for these.
pub(super) fn all_but(cleared: impl Iterator<Item = u32>, rows: usize) -> Bitmap {
    let mut bits = vec![0xff_u8; rows.div_ceil(8)];
    for row in cleared {
        bits[row as usize / 8] &= !(1 << (row % 8));
    }
    Bitmap::from_u8_vec(bits, rows)
}
