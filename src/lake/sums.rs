use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int16Type, Int32Type};
use parquet::errors::ParquetError;

use crate::flow::Progress;
use crate::schema::{Sums, summed};
use crate::support::blocking::blocking;
use crate::trip::{Provenance, TripFile};

use super::{Lake, LakeError};

/// A month of the lake, read to its end.
#[derive(Debug, Clone)]
pub struct Counted {
    /// What it says of itself.
    pub provenance: Provenance,
    /// What its rows come to.
    pub sums: Sums,
}

impl Lake {
    /// Reads all trips of a month and sums them up; `None` if the lake does not have it. From
    /// a bucket they come by way of the file `local`, which does not stay.
    pub async fn sums(
        &self,
        file: TripFile,
        local: &Path,
        progress: &Progress,
    ) -> Result<Option<Counted>, LakeError> {
        let Some(trips) = self.trips(file, local).await? else {
            return Ok(None);
        };
        let progress = progress.clone();
        let counted = blocking(move || {
            let damaged = |source| LakeError::Damaged { address: trips.address.clone(), source };
            let promised = trips.month.provenance.counts.rows_kept.max(1);
            let bytes = trips.month.bytes;
            progress.begin(bytes);
            let mut sums = Sums::of(file.colour);
            for batch in trips.batches {
                if progress.is_cancelled() {
                    return Err(LakeError::Interrupted);
                }
                let batch = batch.map_err(|error| damaged(ParquetError::from(error)))?;
                add(&mut sums, file, &batch);
                progress.advance(bytes * batch.num_rows() as u64 / promised);
            }
            Ok(Counted { provenance: trips.month.provenance, sums })
        });
        counted.await.unwrap_or(Err(LakeError::Interrupted)).map(Some)
    }
}

fn add(sums: &mut Sums, file: TripFile, batch: &RecordBatch) {
    sums.rows += batch.num_rows() as u64;
    for column in summed(file.colour) {
        if let Some(values) = batch.column_by_name(column.name) {
            add_column(sums, column.name, values);
        }
    }
}

fn add_column(sums: &mut Sums, name: &'static str, values: &dyn Array) {
    match values.data_type() {
        DataType::Int16 => {
            let values = values.as_primitive::<Int16Type>().iter().flatten();
            sums.add(name, values.map(f64::from));
        }
        DataType::Int32 => {
            let values = values.as_primitive::<Int32Type>().iter().flatten();
            sums.add(name, values.map(f64::from));
        }
        DataType::Float64 => {
            sums.add(name, values.as_primitive::<Float64Type>().iter().flatten());
        }
        // No column that is summed up has another type.
        _ => {}
    }
}
