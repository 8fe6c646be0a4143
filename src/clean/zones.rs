//! Cleans the lookup of the taxi zones. It is small and every row of it matters, so the first
//! bad row fails the file.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int16Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::file::metadata::KeyValue;

use super::CleanError;
use super::fields::{self, Field as Read};
use super::output::small_file;
use super::records::{End, Shape, field_text, marks_of_order, record_end, split_fields};
use crate::schema::is_missing_word;
use crate::trip::{Format, SourceFacts};

/// The columns of the lookup, as published and as stored. `N/A` and `Unknown` are texts
/// there, and stay so: the editions differ in which zones have them.
const COLUMNS: [(&str, &str); 4] = [
    ("locationid", "location_id"),
    ("borough", "borough"),
    ("zone", "zone"),
    ("service_zone", "service_zone"),
];

/// The TLC numbers its zones so.
const IDS: std::ops::RangeInclusive<i64> = 1..=265;

/// The zones that are not places: unknown, and outside the city. The editions differ in their
/// names,
/// and some have none.
const NO_PLACE: i16 = 264;

/// A larger file is not read: the lookup has 12 kB.
const LARGEST: u64 = 16 << 20;

/// In fewer zones than this, the same name for all says nothing.
const TELLING: usize = 10;

const SHAPE: Shape = Shape { fields: COLUMNS.len(), surplus: 0 };

/// Cleans the zones into a Parquet file with their source in its footer; how many there are.
/// `before` is how many the lake has: an edition with fewer is not whole.
pub fn clean_zones(
    input: &Path,
    format: Format,
    source: &SourceFacts,
    before: Option<u64>,
    target: &Path,
) -> Result<u64, CleanError> {
    let bad = |line, what: &str| CleanError::Zones { line, what: what.to_owned() };
    if format != Format::Csv {
        return Err(bad(1, "this is not a CSV file"));
    }
    let reading = |source| CleanError::io("read", input, source);
    let size = std::fs::metadata(input).map_err(reading)?.len();
    if size > LARGEST {
        let what =
            format!("the file has {} MB, more than the limit of {} MB", size >> 20, LARGEST >> 20);
        return Err(bad(1, &what));
    }
    let text = std::fs::read(input).map_err(reading)?;
    let mut rows = records(&text[marks_of_order(&text)..]);
    let (_, header) = rows.next().ok_or_else(|| bad(1, "the file is empty"))?;
    let header = header.map_err(|what| bad(1, what))?;
    let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
    if names != COLUMNS.map(|(name, _)| name) {
        return Err(bad(1, "the columns are not LocationID, Borough, Zone, service_zone"));
    }
    let mut ids: Vec<i16> = Vec::new();
    let mut texts: [Vec<Option<String>>; 3] = Default::default();
    let mut last = 1;
    for (line, fields) in rows {
        last = line;
        let fields = fields.map_err(|what| bad(line, what))?;
        if fields.len() != COLUMNS.len() {
            return Err(bad(line, "a zone has four fields"));
        }
        let id = match fields::integer(fields[0].as_bytes()) {
            Read::Value(id) => Some(id),
            _ => None,
        };
        let id = id.ok_or_else(|| bad(line, "the first field is not a location id"))?;
        let known = i16::try_from(id).ok().filter(|_| IDS.contains(&id));
        let id = known.ok_or_else(|| {
            bad(
                line,
                &format!("{id} is not a location id: the ids are {} to {}", IDS.start(), IDS.end()),
            )
        })?;
        if ids.contains(&id) {
            return Err(bad(line, "the location id occurs twice"));
        }
        ids.push(id);
        for ((column, field), (_, name)) in texts.iter_mut().zip(&fields[1..]).zip(&COLUMNS[1..]) {
            let field = field.trim();
            if lacks_name(id, field) {
                let shown = if field.is_empty() { "empty" } else { field };
                return Err(bad(line, &format!("zone {id} has no {name}: the field is {shown}")));
            }
            column.push((!field.is_empty()).then(|| field.to_owned()));
        }
    }
    if ids.is_empty() {
        return Err(bad(2, "there are no zones"));
    }
    let [_, zones, _] = &texts;
    if zones.len() >= TELLING && zones.iter().all(|zone| zone == &zones[0]) {
        return Err(bad(last, "all zones have the same name"));
    }
    if let Some(before) = before.filter(|before| (ids.len() as u64) < *before) {
        let found = ids.len();
        let what = format!(
            "the file ends after {found} zones, but the lake has {before}: it is incomplete. The lake's zones stay; --force replaces them"
        );
        return Err(bad(last, &what));
    }

    let schema = Arc::new(Schema::new(vec![
        Field::new(COLUMNS[0].1, DataType::Int16, false),
        Field::new(COLUMNS[1].1, DataType::Utf8, true),
        Field::new(COLUMNS[2].1, DataType::Utf8, true),
        Field::new(COLUMNS[3].1, DataType::Utf8, true),
    ]));
    let count = ids.len() as u64;
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int16Array::from(ids))];
    columns.extend(texts.map(|column| Arc::new(StringArray::from(column)) as ArrayRef));
    let rows = RecordBatch::try_new(schema, columns)?;
    let facts = KeyValue::new(SourceFacts::KEY.to_owned(), serde_json::to_string(source)?);
    small_file(target, &rows, facts)?;
    Ok(count)
}

/// Whether a zone that is a place has no name in a field. `N/A` is a name of those that are none.
fn lacks_name(id: i16, field: &str) -> bool {
    let of_none =
        id >= NO_PLACE && ["", "N/A", "NA"].iter().any(|it| it.eq_ignore_ascii_case(field));
    !of_none && (field.is_empty() || is_missing_word(field.as_bytes()))
}

/// The records of a text that are not blank, each with its line; or what is wrong with one.
fn records(text: &[u8]) -> impl Iterator<Item = (u64, Result<Vec<String>, &'static str>)> {
    let (mut at, mut line) = (0, 1);
    std::iter::from_fn(move || {
        loop {
            if at >= text.len() {
                return None;
            }
            let End::At { content, next, wellformed } = record_end(&text[at..], SHAPE, true) else {
                return None;
            };
            let record = &text[at..at + content];
            let began = line;
            line += memchr::memchr_iter(b'\n', &text[at..at + next]).count() as u64;
            at += next;
            if !record.trim_ascii().is_empty() {
                return Some((began, fields_of(record, wellformed)));
            }
        }
    })
}

/// The fields of a record, if every one of them is text.
fn fields_of(record: &[u8], wellformed: bool) -> Result<Vec<String>, &'static str> {
    if !wellformed {
        return Err("a quote is not closed");
    }
    let text = std::str::from_utf8(record).map_err(|_| "it contains bytes that are not UTF-8")?;
    // The mark that other programs leave where they could not read a letter.
    if text.contains('\u{fffd}') {
        return Err("it contains a replacement character (U+FFFD): a letter was lost earlier");
    }
    if text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace()) {
        return Err("it contains a control character");
    }
    let mut ranges = Vec::new();
    split_fields(record, true, &mut ranges);
    let fields: Vec<String> =
        ranges.iter().map(|range| field_text(&record[range.clone()], true)).collect();
    // A quote that begins or ends a field and has no partner is not closed, or not opened.
    let is_quote = |at: usize| record.get(at) == Some(&b'"');
    let odd = ranges.iter().any(|range| {
        let quoted = range.start > 0 && is_quote(range.start - 1) && is_quote(range.end);
        !quoted && record[range.clone()].contains(&b'"')
    });
    if odd { Err("a quote is not closed") } else { Ok(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trip::Digest;

    fn clean(text: &str) -> Result<u64, String> {
        clean_after(None, text.as_bytes())
    }

    fn clean_after(before: Option<u64>, text: &[u8]) -> Result<u64, String> {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("zones.csv");
        std::fs::write(&input, text).unwrap();
        let source = SourceFacts {
            address: "test".to_owned(),
            etag: None,
            last_modified: None,
            size: 0,
            sha256: Digest::of(b""),
        };
        let target = folder.path().join("zones.parquet");
        clean_zones(&input, Format::Csv, &source, before, &target)
            .map_err(|error| error.to_string())
    }

    const HEADER: &str = "\"LocationID\",\"Borough\",\"Zone\",\"service_zone\"\n";

    #[test]
    fn both_editions_are_read() {
        let rows = "1,\"EWR\",\"Newark Airport\",\"EWR\"\r\n264,\"Unknown\",\"N/A\",\"N/A\"\n265,\"N/A\",\"Outside of NYC\",\"N/A\"";
        assert_eq!(clean(&format!("{HEADER}{rows}")), Ok(3));
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let whole = format!("{HEADER}1,\"EWR\",\"Newark Airport\",\"EWR\"\n");
        let rows: [&[u8]; 7] = [
            b"2,\"Queens\",\"Jamaica Bay,\"Boro Zone\"\n3,a,b,c\n",
            b"2,\"Queens\",\"Jamaica Bay\",\"Boro",
            b"2,Queens,Jamaica \"Bay,Boro Zone\n",
            b"2,Queens,Caf\xe9,Boro Zone\n",
            "2,Queens,Caf\u{fffd},Boro Zone\n".as_bytes(),
            b"2,Queens,Ja\0maica,Boro Zone\n",
            b"2,Queens,Jam",
        ];
        let errors = rows.map(|row| {
            let text = [whole.as_bytes(), row].concat();
            clean_after(None, &text).unwrap_err()
        });
        insta::assert_snapshot!(errors.join("\n"), @r"
        line 3 of the taxi zones: a quote is not closed. Is the address that of taxi_zone_lookup.csv?
        line 3 of the taxi zones: a quote is not closed. Is the address that of taxi_zone_lookup.csv?
        line 3 of the taxi zones: a quote is not closed. Is the address that of taxi_zone_lookup.csv?
        line 3 of the taxi zones: it contains bytes that are not UTF-8. Is the address that of taxi_zone_lookup.csv?
        line 3 of the taxi zones: it contains a replacement character (U+FFFD): a letter was lost earlier. Is the address that of taxi_zone_lookup.csv?
        line 3 of the taxi zones: it contains a control character. Is the address that of taxi_zone_lookup.csv?
        line 3 of the taxi zones: a zone has four fields. Is the address that of taxi_zone_lookup.csv?
        ");
    }

    #[test]
    fn fewer_zones_than_the_lake_has_are_not_whole() {
        let text = format!("{HEADER}1,a,b,c\n2,a,b,c\n");
        assert_eq!(clean_after(Some(2), text.as_bytes()), Ok(2));
        insta::assert_snapshot!(clean_after(Some(265), text.as_bytes()).unwrap_err(), @"line 3 of the taxi zones: the file ends after 2 zones, but the lake has 265: it is incomplete. The lake's zones stay; --force replaces them. Is the address that of taxi_zone_lookup.csv?");
    }

    #[test]
    fn two_byte_order_marks_are_no_letters() {
        let text = format!("\u{feff}\u{feff}{HEADER}1,a,b,c\n");
        assert_eq!(clean(&text), Ok(1));
    }

    #[test]
    fn zones_without_a_name_or_an_id_of_the_tlc_are_refused() {
        for row in ["1,,b,c", "1,a,NULL,c", "1,a,b,\\N", "1,NaN,b,c", "265,a,NULL,c", "1,a,N/A,c"] {
            assert!(clean(&format!("{HEADER}{row}\n")).unwrap_err().contains("has no"), "{row}");
        }
        for row in ["264,Unknown,,N/A", "265,N/A,Outside of NYC,N/A", "265,Unknown,NA,N/A"] {
            assert_eq!(clean(&format!("{HEADER}{row}\n")), Ok(1), "{row}");
        }
        for row in ["0,a,b,c", "-1,a,b,c", "266,a,b,c", "99999,a,b,c"] {
            let error = clean(&format!("{HEADER}{row}\n")).unwrap_err();
            assert!(error.starts_with("line 2") && error.contains("1 to 265"), "{row}");
        }
        let rows = (1..=20).map(|id| format!("{id},Queens,Jamaica,Boro Zone\n"));
        let same = clean(&format!("{HEADER}{}", rows.collect::<Vec<_>>().concat())).unwrap_err();
        insta::assert_snapshot!(same, @"line 21 of the taxi zones: all zones have the same name. Is the address that of taxi_zone_lookup.csv?");
    }

    #[test]
    fn a_file_that_is_far_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("zones.csv");
        std::fs::File::create(&input).unwrap().set_len(LARGEST + 1).unwrap();
        let source = SourceFacts {
            address: "test".to_owned(),
            etag: None,
            last_modified: None,
            size: 0,
            sha256: Digest::of(b""),
        };
        let target = folder.path().join("zones.parquet");
        let error = clean_zones(&input, Format::Csv, &source, None, &target).unwrap_err();
        assert!(error.to_string().contains("16 MB, more than the limit of 16 MB"), "{error}");
    }

    #[test]
    fn a_bad_row_fails_the_file() {
        insta::assert_snapshot!(
            ["", "x,y\n", HEADER, &format!("{HEADER}1,a,b\n"), &format!("{HEADER}x,a,b,c\n"), &format!("{HEADER}1,a,b,c\n1,a,b,c\n")]
                .map(|text| clean(text).unwrap_err())
                .join("\n"),
            @r"
            line 1 of the taxi zones: the file is empty. Is the address that of taxi_zone_lookup.csv?
            line 1 of the taxi zones: the columns are not LocationID, Borough, Zone, service_zone. Is the address that of taxi_zone_lookup.csv?
            line 2 of the taxi zones: there are no zones. Is the address that of taxi_zone_lookup.csv?
            line 2 of the taxi zones: a zone has four fields. Is the address that of taxi_zone_lookup.csv?
            line 2 of the taxi zones: the first field is not a location id. Is the address that of taxi_zone_lookup.csv?
            line 3 of the taxi zones: the location id occurs twice. Is the address that of taxi_zone_lookup.csv?
            "
        );
    }
}
