use std::fmt;

use super::{Colour, Digest, Format, Month};

/// One month of one colour: the unit of everything here, under every name it goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TripFile {
    /// The colour of its trips.
    pub colour: Colour,
    /// The month its trips were picked up in.
    pub month: Month,
}

impl TripFile {
    /// The file of a colour and month.
    pub const fn new(colour: Colour, month: Month) -> Self {
        Self { colour, month }
    }

    /// The TLC's file name without its ending: `green_tripdata_2020-01`.
    pub fn stem(self) -> String {
        format!("{}_tripdata_{}", self.colour, self.month)
    }

    /// The key of its trips in the lake: `green/green_tripdata_2020-01.parquet`.
    pub fn lake_key(self) -> String {
        format!("{}/{}.parquet", self.colour, self.stem())
    }

    /// The month whose trips have this key in the lake.
    pub fn of_lake_key(colour: Colour, key: &str) -> Option<Self> {
        let stem = key.rsplit('/').next()?.strip_suffix(".parquet")?;
        let month = stem.strip_prefix(colour.as_str())?.strip_prefix("_tripdata_")?;
        let file = Self::new(colour, month.parse().ok()?);
        (file.lake_key() == key).then_some(file)
    }

    /// The key of its quarantined rows, which carries the digest of their content.
    pub fn quarantine_key(self, content: &Digest) -> String {
        format!("quarantine/{}/{}.{}.parquet", self.colour, self.stem(), content.short())
    }

    /// The key of what is known of an edition that was refused.
    pub fn refused_key(self) -> String {
        format!("refused/{}/{}.json", self.colour, self.stem())
    }

    /// The key of the rows set aside of an edition that was refused, which carries the digest of
    /// their content.
    pub fn refused_rows_key(self, content: &Digest) -> String {
        format!("refused/{}/{}.{}.parquet", self.colour, self.stem(), content.short())
    }

    /// The key of its bytes as fetched.
    pub fn raw_key(self, format: Format) -> String {
        format!("raw/{}/{}.{}", self.colour, self.stem(), format.ending())
    }

    /// The key of what its source said last of the bytes that its trips were made from.
    pub fn seen_key(self) -> String {
        format!("seen/{}/{}.json", self.colour, self.stem())
    }

    /// The key of the digests of its bytes as fetched.
    pub fn kept_key(self) -> String {
        format!("seen/{}/{}.raw.json", self.colour, self.stem())
    }

    /// An address template with `{colour}`, `{year}` and `{month}` (two digits) filled in.
    pub fn fill(self, template: &str) -> String {
        template
            .replace("{colour}", self.colour.as_str())
            .replace("{color}", self.colour.as_str())
            .replace("{year}", &format!("{:04}", self.month.year()))
            .replace("{month}", &format!("{:02}", self.month.number()))
    }
}

impl fmt::Display for TripFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.colour, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_names() {
        let file = TripFile::new(Colour::Green, "2020-01".parse().unwrap());
        assert_eq!(file.to_string(), "green 2020-01");
        assert_eq!(file.lake_key(), "green/green_tripdata_2020-01.parquet");
        assert_eq!(TripFile::of_lake_key(Colour::Green, &file.lake_key()), Some(file));
        for other in ["green_tripdata_2020-01.parquet", "green/green_tripdata_2020-1.parquet", "x"]
        {
            assert_eq!(TripFile::of_lake_key(Colour::Green, other), None, "{other}");
        }
        assert_eq!(
            file.quarantine_key(&Digest::of(b"")),
            "quarantine/green/green_tripdata_2020-01.e3b0c44298fc1c14.parquet"
        );
        assert_eq!(file.refused_key(), "refused/green/green_tripdata_2020-01.json");
        assert_eq!(
            file.refused_rows_key(&Digest::of(b"")),
            "refused/green/green_tripdata_2020-01.e3b0c44298fc1c14.parquet"
        );
        assert_eq!(file.raw_key(Format::CsvGz), "raw/green/green_tripdata_2020-01.csv.gz");
        assert_eq!(file.seen_key(), "seen/green/green_tripdata_2020-01.json");
        assert_eq!(file.kept_key(), "seen/green/green_tripdata_2020-01.raw.json");
        assert_eq!(file.fill("http://h/{colour}/{year}/{month}.csv"), "http://h/green/2020/01.csv");
    }
}
