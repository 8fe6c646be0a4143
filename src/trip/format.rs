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

    /// The ending of such a file's name, without the dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::CsvGz => "csv.gz",
            Self::Parquet => "parquet",
        }
    }

    /// What bytes are by how they begin; as an error, what they seem to be instead.
    pub fn sniff(first: &[u8]) -> Result<Self, &'static str> {
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
        let begins = |mark: &str| {
            text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
        };
        match first {
            [] => Err("empty"),
            [0x1f, 0x8b, ..] => Ok(Self::CsvGz),
            [b'P', b'A', b'R', b'1', ..] => Ok(Self::Parquet),
            [b'P', b'K', 3 | 5, ..] => Err("a zip archive"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Err("compressed with zstd"),
            [b'B', b'Z', b'h', ..] => Err("compressed with bzip2"),
            [0xfd, b'7', b'z', ..] => Err("compressed with xz"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err("text in UTF-16"),
            [b'%', b'P', b'D', b'F', ..] => Err("a PDF"),
            _ if begins("<!doctype") || begins("<html") || begins("<head") => Err("an HTML page"),
            _ if begins("<?xml") || begins("<error") => Err("an XML answer"),
            _ if begins("{") => Err("a JSON answer"),
            _ if first
                .split(|byte| *byte == b'\n')
                .next()
                .is_some_and(|line| line.contains(&0)) =>
            {
                Err("binary")
            }
            _ => Ok(Self::Csv),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_what_they_are() {
        assert_eq!(Format::sniff(b"\x1f\x8b\x08"), Ok(Format::CsvGz));
        assert_eq!(Format::sniff(b"PAR1\x15"), Ok(Format::Parquet));
        assert_eq!(Format::sniff(b"\xef\xbb\xbfVendorID,x"), Ok(Format::Csv));
        assert_eq!(Format::sniff(b"\n <!DOCTYPE HTML>"), Err("an HTML page"));
        assert_eq!(Format::sniff(b"<?xml version"), Err("an XML answer"));
        assert_eq!(Format::sniff(b"PK\x03\x04"), Err("a zip archive"));
        assert_eq!(Format::sniff(b"\xff\xfeV\0"), Err("text in UTF-16"));
        assert_eq!(Format::sniff(b"a\0b"), Err("binary"));
        assert_eq!(Format::sniff(b""), Err("empty"));
    }
}
