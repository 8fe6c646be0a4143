use arrow::array::RecordBatch;

use super::text::Piece;

/// A part of a trip file, as the reading thread hands it out.
pub(super) enum Part {
    Text(Piece),
    Rows { batch: RecordBatch, rows_before: u64 },
}
