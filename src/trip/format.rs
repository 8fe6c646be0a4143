//! What the bytes of a file are: the one place that knows formats by how they begin.

mod signatures;

pub use signatures::UnsupportedFormat;

/// What the bytes of a trip file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text, one record a line.
    Csv,
    /// The same, compressed with gzip.
    CsvGz,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Every format that is read.
    pub const ALL: [Self; 3] = [Self::CsvGz, Self::Csv, Self::Parquet];

    /// How many first bytes [`Self::sniff`] needs to know every format; with fewer it may take
    /// one for text.
    pub const FIRST_BYTES: usize = 512;

    /// The ending of such a file's name, without the dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::CsvGz => "csv.gz",
            Self::Parquet => "parquet",
        }
    }

    /// What bytes are by how they begin; as an error, what they are instead.
    ///
    /// ```
    /// use nyc_taxi_etl::trip::Format;
    ///
    /// assert_eq!(Format::sniff(b"VendorID,fare_amount\n"), Ok(Format::Csv));
    /// assert_eq!(Format::sniff(b"PK\x03\x04").unwrap_err().name, "a zip archive");
    /// ```
    pub fn sniff(first: &[u8]) -> Result<Self, UnsupportedFormat> {
        match first {
            [0x1f, 0x8b, ..] => Ok(Self::CsvGz),
            [b'P', b'A', b'R', b'1', ..] => Ok(Self::Parquet),
            _ => signatures::unsupported(first).map_or(Ok(Self::Csv), Err),
        }
    }

    /// Whether bytes begin a text of CSV: what was compressed with gzip must be one. As an
    /// error, what they are instead.
    pub fn sniff_text(first: &[u8]) -> Result<(), UnsupportedFormat> {
        match Self::sniff(first)? {
            Self::Csv => Ok(()),
            Self::CsvGz => Err(UnsupportedFormat {
                name: "a file that is compressed with gzip once more",
                remedy: "Decompress it once with gunzip",
            }),
            Self::Parquet => Err(UnsupportedFormat {
                name: "a Parquet file",
                remedy: "Decompress it with gunzip and use the Parquet file as it is",
            }),
        }
    }
}
