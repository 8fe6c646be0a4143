use std::path::Path;

use arrow::array::{Array, AsArray, GenericListArray, RecordBatch};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

use crate::trip::TripFile;
use crate::trip::quarantine::{FIELDS, HEADER_KEY, LINE, QuarantinedRow, REASONS, UNREADABLE};

use super::{Lake, LakeError, Published};

/// The rows of a month that were set aside, read one after the other.
pub struct Quarantine {
    /// The month as published.
    pub month: Published,
    /// The address of the object.
    pub address: String,
    /// The names of the columns in the source.
    pub header: Vec<String>,
    batches: Option<ParquetRecordBatchReader>,
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantine").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Lake {
    /// The rows of a month that were set aside; `None` if the lake does not have the month.
    /// From a bucket they come by way of the file `local`, which does not stay.
    pub async fn quarantine(
        &self,
        file: TripFile,
        local: &Path,
    ) -> Result<Option<Quarantine>, LakeError> {
        let Some(month) = self.published(file).await? else {
            return Ok(None);
        };
        self.set_aside(month, self.url(&file.lake_key()), local).await.map(Some)
    }

    /// The rows set aside that an edition names; `address` is that of the edition.
    pub(super) async fn set_aside(
        &self,
        month: Published,
        address: String,
        local: &Path,
    ) -> Result<Quarantine, LakeError> {
        let Some(key) = month.provenance.quarantine.clone() else {
            return Ok(Quarantine { month, address, header: Vec::new(), batches: None });
        };
        let address = self.url(&key);
        let Some((builder, _)) = self.open(&key, local).await? else {
            return Err(LakeError::QuarantineGone { address });
        };
        let entries = builder.metadata().file_metadata().key_value_metadata();
        let header = entries
            .and_then(|entries| entries.iter().find(|entry| entry.key == HEADER_KEY))
            .and_then(|entry| serde_json::from_str(entry.value.as_deref()?).ok())
            .unwrap_or_default();
        let damaged = |source| LakeError::Damaged { address: address.clone(), source };
        let batches = Some(builder.build().map_err(damaged)?);
        Ok(Quarantine { month, address, header, batches })
    }
}

impl Quarantine {
    /// The rows, in the order of the source.
    pub fn rows(&mut self) -> impl Iterator<Item = Result<QuarantinedRow, LakeError>> + '_ {
        let address = self.address.clone();
        self.batches.iter_mut().flatten().flat_map(move |batch| {
            let rows = batch.map_err(ParquetError::from).and_then(|batch| rows(&batch));
            let damaged = |source| LakeError::Damaged { address: address.clone(), source };
            match rows {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(source) => vec![Err(damaged(source))],
            }
        })
    }
}

fn rows(batch: &RecordBatch) -> Result<Vec<QuarantinedRow>, ParquetError> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .ok_or_else(|| ParquetError::General(format!("there is no column '{name}'")))
    };
    let missing =
        |name: &str| ParquetError::General(format!("the column '{name}' has another type"));
    let lines = column(LINE)?.as_primitive_opt::<Int64Type>().ok_or_else(|| missing(LINE))?;
    let reasons = column(REASONS)?.as_list_opt::<i32>().ok_or_else(|| missing(REASONS))?;
    let fields = column(FIELDS)?.as_list_opt::<i32>().ok_or_else(|| missing(FIELDS))?;
    // Files of earlier versions do not have it.
    let unreadable = match batch.column_by_name(UNREADABLE) {
        Some(column) => Some(column.as_list_opt::<i32>().ok_or_else(|| missing(UNREADABLE))?),
        None => None,
    };
    let texts = |array: &dyn Array| -> Option<Vec<Option<String>>> {
        Some(array.as_string_opt::<i32>()?.iter().map(|text| text.map(str::to_owned)).collect())
    };
    (0..batch.num_rows())
        .map(|row| {
            let names = |list: &GenericListArray<i32>, column: &str| {
                let names = texts(&list.value(row)).ok_or_else(|| missing(column))?;
                Ok::<_, ParquetError>(names.into_iter().flatten().collect())
            };
            Ok(QuarantinedRow {
                line: lines.value(row),
                reasons: names(reasons, REASONS)?,
                unreadable: match unreadable {
                    Some(unreadable) => names(unreadable, UNREADABLE)?,
                    None => Vec::new(),
                },
                fields: texts(&fields.value(row)).ok_or_else(|| missing(FIELDS))?,
            })
        })
        .collect()
}
