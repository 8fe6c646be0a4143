//! The formats that are not read, each known by its first bytes.
//!
//! Sources: the specification of each format, and the list of file signatures of libmagic.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

/// A format that is known and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedFormat {
    /// What the bytes are, with its article: `a tar archive`.
    pub name: &'static str,
    /// What to do about it, as a sentence without its full stop.
    pub remedy: &'static str,
}

impl fmt::Display for UnsupportedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.name, self.remedy)
    }
}

const UNPACK: &str = "Unpack it and use the CSV or Parquet file inside";
const RECOMPRESS: &str = "Decompress it, or compress it with gzip instead";
const TO_UTF8: &str = "Convert it to UTF-8, for example with iconv";
const EXPORT: &str = "Export it as CSV or Parquet";
const CHECK: &str = "Check the address";

/// A format, the place of its mark and the mark.
type Signature = (&'static str, &'static str, usize, &'static [u8]);

const SIGNATURES: &[Signature] = &[
    ("an encrypted Parquet file", "Decrypt it first: keys are not supported", 0, b"PARE"),
    ("a tar archive", UNPACK, 257, b"ustar"),
    ("a zip archive", UNPACK, 0, b"PK\x05\x06"),
    ("a zip archive", UNPACK, 0, b"PK\x07\x08"),
    ("a 7z archive", UNPACK, 0, b"7z\xbc\xaf\x27\x1c"),
    ("a RAR archive", UNPACK, 0, b"Rar!\x1a\x07"),
    ("an ar archive", UNPACK, 0, b"!<arch>\n"),
    ("a cabinet archive", UNPACK, 0, b"MSCF\0\0\0\0"),
    ("compressed with zstd", RECOMPRESS, 0, b"\x28\xb5\x2f\xfd"),
    ("compressed with xz", RECOMPRESS, 0, b"\xfd7zXZ\0"),
    ("compressed with lzip", RECOMPRESS, 0, b"LZIP"),
    ("compressed with LZMA", RECOMPRESS, 0, b"\x5d\0\0"),
    ("compressed with lzop", RECOMPRESS, 0, b"\x89LZO\0\r\n\x1a\n"),
    ("compressed with LZ4", RECOMPRESS, 0, b"\x04\x22\x4d\x18"),
    ("compressed with LZ4", RECOMPRESS, 0, b"\x02\x21\x4c\x18"),
    ("compressed with Snappy", RECOMPRESS, 0, b"\xff\x06\0\0sNaPpY"),
    ("compressed with Snappy", RECOMPRESS, 0, b"\x82SNAPPY\0"),
    ("compressed with compress (.Z)", RECOMPRESS, 0, b"\x1f\x9d"),
    ("compressed with compress (.Z)", RECOMPRESS, 0, b"\x1f\xa0"),
    ("compressed with pack (.z)", RECOMPRESS, 0, b"\x1f\x1e"),
    ("text in UTF-32", TO_UTF8, 0, b"\xff\xfe\0\0"),
    ("text in UTF-32", TO_UTF8, 0, b"\0\0\xfe\xff"),
    ("text in UTF-16", TO_UTF8, 0, b"\xff\xfe"),
    ("text in UTF-16", TO_UTF8, 0, b"\xfe\xff"),
    ("an ORC file", EXPORT, 0, b"ORC\x08"),
    ("an ORC file", EXPORT, 0, b"ORC\n"),
    ("an Avro file", EXPORT, 0, b"Obj\x01"),
    ("an Arrow file (Feather)", EXPORT, 0, b"ARROW1"),
    ("a Feather file", EXPORT, 0, b"FEA1"),
    ("an Arrow stream", EXPORT, 0, b"\xff\xff\xff\xff"),
    ("an old Excel workbook (.xls)", EXPORT, 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("an old Excel worksheet (.xls)", EXPORT, 0, b"\x09\x08\x10\0"),
    ("an old Excel worksheet (.xls)", EXPORT, 0, b"\x09\x08\x08\0"),
    ("an old Excel worksheet (.xls)", EXPORT, 0, b"\x09\x04\x06\0"),
    ("an old Excel worksheet (.xls)", EXPORT, 0, b"\x09\x02\x06\0"),
    ("an old Excel worksheet (.xls)", EXPORT, 0, b"\x09\0\x04\0"),
    ("an SQLite database", EXPORT, 0, b"SQLite format 3\0"),
    ("a DuckDB database", EXPORT, 8, b"DUCK"),
    ("an Access database", EXPORT, 4, b"Standard Jet DB"),
    ("an Access database", EXPORT, 4, b"Standard ACE DB"),
    ("an HDF5 file", EXPORT, 0, b"\x89HDF\r\n\x1a\n"),
    ("a NumPy array", EXPORT, 0, b"\x93NUMPY"),
    ("an R data file", EXPORT, 0, b"RDX2\n"),
    ("an R data file", EXPORT, 0, b"RDX3\n"),
    ("an R data file", EXPORT, 0, b"X\n\0\0\0"),
    ("a Hadoop sequence file", EXPORT, 0, b"SEQ\x06"),
    ("an RCFile", EXPORT, 0, b"RCF\x01"),
    ("a Python pickle", EXPORT, 0, b"\x80\x02"),
    ("a Python pickle", EXPORT, 0, b"\x80\x03"),
    ("a Python pickle", EXPORT, 0, b"\x80\x04"),
    ("a Python pickle", EXPORT, 0, b"\x80\x05"),
    ("a Python pickle", EXPORT, 0, b"ccopy_reg\n"),
    ("a Python pickle", EXPORT, 0, b"cpandas."),
    ("a PDF", CHECK, 0, b"%PDF"),
    ("a PostScript document", CHECK, 0, b"%!PS"),
    ("an RTF document", CHECK, 0, b"{\\rtf"),
    ("a PNG image", CHECK, 0, b"\x89PNG"),
    ("a JPEG image", CHECK, 0, b"\xff\xd8\xff"),
    ("a GIF image", CHECK, 0, b"GIF8"),
    ("a program", CHECK, 0, b"\x7fELF"),
    ("encrypted with OpenSSL", "Decrypt it first", 0, b"Salted__"),
    ("encrypted with age", "Decrypt it first", 0, b"age-encryption.org/"),
    ("an encrypted or signed message (PGP)", "Decrypt it first", 0, b"-----BEGIN PGP"),
    ("a Git LFS pointer", LFS, 0, b"version https://git-lfs.github.com/"),
    ("a Git LFS pointer", LFS, 0, b"version https://hawser.github.com/"),
    ("a Git LFS pointer", LFS, 0, b"version http://git-media.io/"),
    ("a git-annex pointer", "Fetch the file itself with 'git annex get'", 0, b"/annex/objects/"),
    ("a DVC pointer", "Fetch the file itself with 'dvc pull'", 0, b"outs:\n- md5:"),
];

const LFS: &str = "It stands for the file, which 'git lfs pull' fetches; on GitHub use the address \
                   of the download, not that of the repository's text";

/// How texts of markup begin, in any case.
const MARKUP: &[(&str, &str)] = &[
    ("an HTML page", "<!doctype"),
    ("an HTML page", "<html"),
    ("an HTML page", "<head"),
    ("an HTML page", "<body"),
    ("an HTML page", "<script"),
    ("an HTML page", "<title"),
    ("an HTML page", "<meta"),
    ("an HTML page", "<div"),
    ("an HTML page", "<table"),
    ("an HTML page", "<h1"),
    ("an HTML page", "<p>"),
    ("an HTML page or an XML document", "<"),
    ("a JSON document", "{"),
    ("a JSON document", "["),
];

/// What bytes are by how they begin; `None` if they may be text of CSV.
pub(super) fn unsupported(first: &[u8]) -> Option<UnsupportedFormat> {
    let found = |name, remedy| Some(UnsupportedFormat { name, remedy });
    if first.is_empty() {
        return found("empty", CHECK);
    }
    for &(name, remedy, at, mark) in SIGNATURES {
        if first.get(at..).is_some_and(|rest| rest.starts_with(mark)) {
            return found(name, remedy);
        }
    }
    if first.starts_with(b"PK\x03\x04") {
        let (name, remedy) = zip_content(first);
        return found(name, remedy);
    }
    if is_bzip2(first) {
        return found("compressed with bzip2", RECOMPRESS);
    }
    if is_skippable_frame(first) {
        return found("compressed with zstd or LZ4", RECOMPRESS);
    }
    if is_old_tar(first) {
        return found("a tar archive", UNPACK);
    }
    if is_cpio(first) {
        return found("a cpio archive", UNPACK);
    }
    if is_zlib(first) {
        return found("compressed with zlib", RECOMPRESS);
    }
    if let Some(width) = wide_text(first) {
        return found(if width == 4 { "text in UTF-32" } else { "text in UTF-16" }, TO_UTF8);
    }
    let text = text_start(first);
    for (name, mark) in MARKUP {
        let start = text.get(..mark.len());
        if start.is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes())) {
            let name = if is_xml(text) { "an XML document" } else { name };
            return found(name, CHECK);
        }
    }
    if is_ebcdic(first) {
        return found("text in EBCDIC", TO_UTF8);
    }
    if is_binary(first) {
        return if inflates(first, false) {
            found("compressed with deflate, without a header", RECOMPRESS)
        } else {
            found("binary, in a format that is not known here", CHECK)
        };
    }
    None
}

/// A text without what may stand before its first letter.
fn text_start(first: &[u8]) -> &[u8] {
    let mut text = first;
    while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        text = rest;
    }
    text.trim_ascii_start()
}

fn is_xml(text: &[u8]) -> bool {
    let begins = |mark: &str| {
        text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
    };
    begins("<?xml") || begins("<error") || begins("<rss") || begins("<kml") || begins("<gpx")
}

/// What a zip archive is, as far as its first entry tells, and what to do.
fn zip_content(first: &[u8]) -> (&'static str, &'static str) {
    const WORKBOOK: [&str; 4] = ["[Content_Types].xml", "_rels/", "xl/", "docProps/"];
    let entry = first.get(30..).unwrap_or_default();
    if WORKBOOK.iter().any(|name| entry.starts_with(name.as_bytes())) {
        ("an Excel workbook (.xlsx)", EXPORT)
    } else if entry.starts_with(b"mimetypeapplication/vnd.oasis") {
        ("an OpenDocument spreadsheet", EXPORT)
    } else {
        ("a zip archive", UNPACK)
    }
}

fn is_bzip2(first: &[u8]) -> bool {
    matches!(first, [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..])
        || matches!(first, [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..])
        || matches!(first, [b'B', b'Z', b'h', b'1'..=b'9'])
}

fn is_skippable_frame(first: &[u8]) -> bool {
    matches!(first, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// A tar header from before `ustar`: its checksum is that of its block.
fn is_old_tar(first: &[u8]) -> bool {
    let (Some(block), Some(sum)) = (first.get(..512), first.get(148..156)) else {
        return false;
    };
    let digits: Vec<u8> = sum.iter().copied().filter(|byte| !matches!(byte, b' ' | 0)).collect();
    if digits.is_empty() || digits.iter().any(|byte| !(b'0'..=b'7').contains(byte)) {
        return false;
    }
    let given = digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
    let outside: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
    given == outside + 8 * u32::from(b' ')
}

fn is_cpio(first: &[u8]) -> bool {
    let ascii =
        ["070701", "070702", "070707"].iter().any(|mark| first.starts_with(mark.as_bytes()));
    let digits = |header: &[u8]| header.iter().all(u8::is_ascii_hexdigit);
    (ascii && first.get(..76).is_some_and(digits)) || first.starts_with(b"\xc7\x71")
}

/// A zlib header whose stream inflates: `x^` alone may begin a text.
fn is_zlib(first: &[u8]) -> bool {
    let [cmf, flags, ..] = *first else {
        return false;
    };
    let header = u16::from(cmf) << 8 | u16::from(flags);
    let plausible = cmf & 0x0f == 8 && cmf >> 4 <= 7 && header % 31 == 0 && flags & 0x20 == 0;
    plausible && inflates(first, true)
}

/// Whether bytes begin a deflate stream, with or without the header of zlib.
fn inflates(first: &[u8], header: bool) -> bool {
    let mut text = [0; 4096];
    let mut inflate = Decompress::new(header);
    let read = inflate.decompress(first, &mut text, FlushDecompress::Sync);
    let out = inflate.total_out() as usize;
    match read {
        Ok(Status::StreamEnd) if header => true,
        // Without a header a few random bytes inflate to anything.
        Ok(_) => out >= 64 && (header || !is_binary(&text[..64])),
        Err(_) => false,
    }
}

/// The width of the characters of a text in UTF-16 or UTF-32 without a byte order mark: the
/// other bytes of its letters are 0.
fn wide_text(first: &[u8]) -> Option<usize> {
    let sample = &first[..first.len().min(64)];
    for width in [4, 2] {
        if sample.len() < 2 * width {
            continue;
        }
        let sample = &sample[..sample.len() / width * width];
        for letter in [0, width - 1] {
            let wide = sample.chunks_exact(width).all(|unit| {
                let (text, zeros) = (unit[letter], memchr::memchr_iter(0, unit).count());
                matches!(text, b' '..=b'~' | b'\t' | b'\r' | b'\n') && zeros == width - 1
            });
            if wide {
                return Some(width);
            }
        }
    }
    None
}

/// Whether most bytes are letters, digits and signs of EBCDIC, which are above ASCII.
fn is_ebcdic(first: &[u8]) -> bool {
    let known = first.iter().filter(|byte| {
        matches!(byte, 0x81..=0x89 | 0x91..=0x99 | 0xa2..=0xa9 | 0xc1..=0xc9 | 0xd1..=0xd9)
            || matches!(byte, 0xe2..=0xe9 | 0xf0..=0xf9)
            || matches!(byte, 0x40 | 0x4b | 0x60 | 0x61 | 0x6b | 0x6d | 0x7a | 0x15 | 0x25 | 0x0d)
    });
    let high = first.iter().filter(|byte| **byte >= 0x80).count();
    high * 2 > first.len()
        && known.count() * 20 >= first.len() * 19
        && std::str::from_utf8(first).is_err()
}

/// Whether the first line has a byte of 0, or too much of the text is none.
fn is_binary(first: &[u8]) -> bool {
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.contains(&0) {
        return true;
    }
    let control = |byte: &&u8| matches!(byte, 0..=8 | 0x0e..=0x1f | 0x7f);
    let invalid: usize = first.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    (first.iter().filter(control).count() + invalid) * 5 > first.len()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};

    use super::super::Format;

    const TEXT: &str = "VendorID,lpep_pickup_datetime,lpep_dropoff_datetime\n\
                        2,2020-01-05 10:00:00,2020-01-05 10:20:00\n";

    fn name(first: &[u8]) -> &'static str {
        match Format::sniff(first) {
            Ok(format) => format.ending(),
            Err(found) => found.name,
        }
    }

    fn wide(width: usize, little: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for letter in TEXT.bytes() {
            let mut unit = vec![0; width];
            unit[if little { 0 } else { width - 1 }] = letter;
            bytes.extend(unit);
        }
        bytes
    }

    fn old_tar() -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..9].copy_from_slice(b"trips.csv");
        block[100..108].copy_from_slice(b"0000644\0");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn the_three_formats_are_known_by_their_first_bytes() {
        assert_eq!(name(b"\x1f\x8b\x08"), "csv.gz");
        assert_eq!(name(b"PAR1\x15"), "parquet");
        for text in ["VendorID,x", "\u{feff}VendorID,x", "\u{feff}\u{feff}\"VendorID\"", "x", "\n"]
        {
            assert_eq!(name(text.as_bytes()), "csv", "{text}");
        }
        assert_eq!(name(TEXT.as_bytes()), "csv");
        // Texts that only look like something else.
        for text in
            ["x^2,y", "PKID,x", "BZh,x", "ORC,x", "Obj,x", "GIF,x", "Caf\u{e9},x", "070701,x"]
        {
            assert_eq!(name(text.as_bytes()), "csv", "{text}");
        }
        assert_eq!(name(b"Caf\xe9,VendorID,lpep_pickup_datetime,fare_amount\n"), "csv");
        assert_eq!(name(&[TEXT.as_bytes(), b"2,\0,\xff\n"].concat()), "csv");
    }

    #[test]
    fn what_is_not_read_is_named() {
        let zlib = |level| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(TEXT.repeat(9).as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
        deflate.write_all(TEXT.repeat(9).as_bytes()).unwrap();
        let mut ustar = vec![b'a'; 257];
        ustar.extend(b"ustar\x0000");
        let xlsx = [b"PK\x03\x04".as_slice(), &[0; 26], b"[Content_Types].xml"].concat();
        let ebcdic = b"\xe5\x85\x95\x84\x96\x99\xc9\xc4\x6b\x97\x89\x83\x92\xa4\x97\x15";
        for (first, expected) in [
            (b"".as_slice(), "empty"),
            (b"\n <!DOCTYPE HTML>", "an HTML page"),
            (b"\xef\xbb\xbf<Body>", "an HTML page"),
            (b"<?xml version", "an XML document"),
            (b"<Error><Code>", "an XML document"),
            (b"  {\"a\": 1}", "a JSON document"),
            (b"[\n{\"a\": 1}]", "a JSON document"),
            (b"PK\x03\x04", "a zip archive"),
            (&xlsx, "an Excel workbook (.xlsx)"),
            (b"PARE\x15", "an encrypted Parquet file"),
            (b"\xff\xfeV\0", "text in UTF-16"),
            (b"\xff\xfe\0\0V\0\0\0", "text in UTF-32"),
            (&wide(2, true), "text in UTF-16"),
            (&wide(2, false), "text in UTF-16"),
            (&wide(4, true), "text in UTF-32"),
            (&wide(4, false), "text in UTF-32"),
            (&ustar, "a tar archive"),
            (&old_tar(), "a tar archive"),
            (&zlib(1), "compressed with zlib"),
            (&zlib(6), "compressed with zlib"),
            (&zlib(9), "compressed with zlib"),
            (&deflate.finish().unwrap(), "compressed with deflate, without a header"),
            (b"BZh91AY&SY", "compressed with bzip2"),
            (b"\xfd7zXZ\0\0", "compressed with xz"),
            (b"\x28\xb5\x2f\xfd\x04", "compressed with zstd"),
            (b"\x04\x22\x4d\x18\x64", "compressed with LZ4"),
            (b"\xff\x06\0\0sNaPpY\x01", "compressed with Snappy"),
            (b"\x1f\x9d\x90", "compressed with compress (.Z)"),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
            (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
            (b"ORC\x08\x03", "an ORC file"),
            (b"Obj\x01\x04", "an Avro file"),
            (b"ARROW1\0\0", "an Arrow file (Feather)"),
            (b"\xff\xff\xff\xff\x10\x01", "an Arrow stream"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)"),
            (b"SQLite format 3\0", "an SQLite database"),
            (b"\x80\x04\x95\x10", "a Python pickle"),
            (b"%PDF-1.4", "a PDF"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
            (ebcdic, "text in EBCDIC"),
            (b"a\0b", "binary, in a format that is not known here"),
            (b"\x93\x01\xfe\xdb\x11\x02", "binary, in a format that is not known here"),
        ] {
            assert_eq!(name(first), expected, "{first:?}");
        }
    }

    #[test]
    fn any_few_bytes_are_something() {
        for byte in 0..=255 {
            for length in 1..5 {
                let _ = name(&vec![byte; length]);
            }
        }
    }
}
