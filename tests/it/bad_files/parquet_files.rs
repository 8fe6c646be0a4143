//! Parquet files that lie, are damaged or encrypted, or hold more than is wanted.

use arrow::array::{BinaryArray, ListBuilder, MapBuilder, StringArray, StringBuilder, StructArray};
use arrow::datatypes::{DataType, Field};
use parquet::basic::{Compression as Codec, Encoding};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;

fn written(columns: Vec<(&str, ArrayRef)>, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = Some(properties.build());
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), properties).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Where the first pages of a column are, and how long they are together.
fn pages(bytes: &[u8], column: usize) -> std::ops::Range<usize> {
    let file = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).unwrap();
    let (start, length) = file.metadata().row_group(0).column(column).byte_range();
    start as usize..(start + length) as usize
}

/// The same file with another footer.
fn with_footer(bytes: &[u8], change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let (pages, footer) = bytes[..end].split_at(end - length);
    let footer = change(footer.to_vec());
    [pages, &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

/// A crc of a page (CRC-32 of RFC 1952).
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

mod handmade {
    //! A Parquet file made byte by byte, for what no writer writes.

    use super::crc;

    /// Thrift's compact protocol: a field is its type and its number.
    #[derive(Default)]
    pub struct Thrift(pub Vec<u8>);

    impl Thrift {
        fn varint(&mut self, mut value: u64) {
            while value >= 0x80 {
                self.0.push(value as u8 | 0x80);
                value >>= 7;
            }
            self.0.push(value as u8);
        }

        fn zigzag(&mut self, value: i64) {
            self.varint(((value << 1) ^ (value >> 63)) as u64);
        }

        fn head(&mut self, step: u8, kind: u8) -> &mut Self {
            self.0.push(step << 4 | kind);
            self
        }

        pub fn int(&mut self, step: u8, value: i64) -> &mut Self {
            self.head(step, 5).zigzag(value);
            self
        }

        pub fn long(&mut self, step: u8, value: i64) -> &mut Self {
            self.head(step, 6).zigzag(value);
            self
        }

        pub fn text(&mut self, step: u8, text: &str) -> &mut Self {
            self.head(step, 8).item(text)
        }

        pub fn item(&mut self, text: &str) -> &mut Self {
            self.varint(text.len() as u64);
            self.0.extend(text.as_bytes());
            self
        }

        pub fn list(&mut self, step: u8, kind: u8, length: u8) -> &mut Self {
            self.head(step, 9);
            self.0.push(length << 4 | kind);
            self
        }

        pub fn begin(&mut self, step: u8) -> &mut Self {
            self.head(step, 12)
        }

        pub fn end(&mut self) -> &mut Self {
            self.0.push(0);
            self
        }

        pub fn number(&mut self, value: i64) -> &mut Self {
            self.zigzag(value);
            self
        }
    }

    fn page(kind: i64, values: i64, encoding: i64, data: &[u8]) -> Vec<u8> {
        let size = data.len() as i64;
        let mut header = Thrift::default();
        header.int(1, kind).int(1, size).int(1, size).int(1, i64::from(crc(data) as i32));
        if kind == 0 {
            header.begin(1).int(1, values).int(1, encoding).int(1, 3).int(1, 3).end();
        } else {
            header.begin(3).int(1, values).int(1, encoding).end();
        }
        header.end();
        [header.0, data.to_vec()].concat()
    }

    /// A file with required columns of pickups and fares; and where the page of fares is whose
    /// bytes are fares.
    pub fn file(dictionary: bool) -> (Vec<u8>, std::ops::Range<usize>) {
        let pickups: Vec<u8> =
            (0..3_i64).flat_map(|row| (1_578_218_400_000_000 + row).to_le_bytes()).collect();
        let fares: Vec<u8> = [15.5_f64, 8.0, 9.5].iter().flat_map(|it| it.to_le_bytes()).collect();
        let mut bytes = b"PAR1".to_vec();
        let mut columns = Vec::new();
        let mut spoil = 0..0;
        for (name, kind, values) in
            [("lpep_pickup_datetime", 2, &pickups), ("fare_amount", 5, &fares)]
        {
            let start = bytes.len();
            let mut data_page = start;
            let in_dictionary = dictionary && kind == 5;
            if in_dictionary {
                bytes.extend(page(2, 3, 0, values));
                spoil = bytes.len() - values.len()..bytes.len();
                data_page = bytes.len();
                // A width of 2 bits, and a run of 8 bit-packed indexes: 0, 1, 2.
                bytes.extend(page(0, 3, 8, &[2, 3, 0b10_0100, 0]));
            } else {
                bytes.extend(page(0, 3, 0, values));
                spoil = bytes.len() - values.len()..bytes.len();
            }
            columns.push((name, kind, start, data_page, bytes.len() - start, in_dictionary));
        }
        let mut footer = Thrift::default();
        footer.int(1, 1).list(1, 12, 3);
        footer.text(4, "schema").int(1, 2).end();
        for (name, kind, ..) in &columns {
            footer.int(1, *kind).int(2, 0).text(1, name);
            if *kind == 2 {
                // TIMESTAMP_MICROS.
                footer.int(2, 10);
            }
            footer.end();
        }
        footer.long(1, 3).list(1, 12, 1).list(1, 12, 2);
        for (name, kind, start, data_page, length, in_dictionary) in &columns {
            let length = *length as i64;
            footer.long(2, *start as i64).begin(1).int(1, *kind);
            footer.list(1, 5, 2).number(0).number(8).list(1, 8, 1).item(name).int(1, 0);
            footer.long(1, 3).long(1, length).long(1, length).long(2, *data_page as i64);
            if *in_dictionary {
                footer.long(2, *start as i64);
            }
            footer.end().end();
        }
        footer.long(1, 100).long(1, 3).end().end();
        bytes.extend(&footer.0);
        bytes.extend((footer.0.len() as u32).to_le_bytes());
        bytes.extend(b"PAR1");
        (bytes, spoil)
    }
}

fn fares(cleaned: &Cleaned) -> Vec<f64> {
    let trips = Parquet::read(&cleaned.taxi.lake(TRIPS)).rows;
    let fares = trips["fare_amount"].as_any().downcast_ref::<Float64Array>().unwrap();
    fares.iter().flatten().collect()
}

#[test]
fn a_page_that_differs_from_its_checksum_is_damage() {
    for dictionary in [false, true] {
        let (bytes, spoil) = handmade::file(dictionary);
        let whole = clean(&bytes);
        whole.assert_rows(3, 0);
        assert_eq!(fares(&whole), [15.5, 8.0, 9.5]);
        for at in [spoil.start, spoil.start + 7, spoil.end - 1] {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1;
            let error = clean(spoiled).failure();
            insta::allow_duplicates! {
                insta::assert_snapshot!(error, @"the Parquet file of green 2020-01 is damaged (Parquet argument error: Parquet error: Page CRC checksum mismatch): nothing of it was used. Run again to fetch it again");
            }
        }
    }
}

#[test]
fn an_encrypted_file_is_refused_with_a_sentence() {
    let (bytes, _) = Recipe::new(Colour::Green, 2020, 1).rows(9).form(Form::Parquet).bytes();
    let mut hidden = bytes.clone();
    let end = hidden.len();
    hidden[end - 4..].copy_from_slice(b"PARE");
    let mut wholly = hidden.clone();
    wholly[..4].copy_from_slice(b"PARE");
    // The footer in the open, with the algorithm of its columns: AES_GCM_V1 in field 8.
    let open = with_footer(&bytes, |mut footer| {
        let stop = footer.pop();
        assert_eq!(stop, Some(0));
        footer.extend(b"\x0c\x10\x1c\0\0\0");
        footer
    });
    let errors = [hidden, wholly, open].map(|bytes| clean(bytes).failure());
    insta::assert_snapshot!(errors.join("\n"), @"
the Parquet file of green 2020-01 is encrypted. Decrypt it first: keys are not supported
in/green_tripdata_2020-01.csv is not a trip file: it is an encrypted Parquet file. Decrypt it first: keys are not supported
the Parquet file of green 2020-01 is encrypted. Decrypt it first: keys are not supported
");
}

#[test]
fn a_file_that_lies_is_damaged_and_costs_no_memory() {
    let columns = || {
        let texts = (0..300).map(|row| if row % 7 < 3 { "Y" } else { "N" });
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        vec![pickups(300), ("store_and_fwd_flag", texts), numbers("fare_amount", vec![1.5; 300])]
    };
    let bytes = written(columns(), WriterProperties::builder());
    clean(&bytes).assert_rows(300, 0);
    let mut lies: Vec<Vec<u8>> = vec![
        // Without its end, with another footer's length, without a footer.
        bytes[..bytes.len() - 9].to_vec(),
        bytes[..bytes.len() / 2].to_vec(),
        b"PAR1".to_vec(),
        b"PAR1PAR1".to_vec(),
        [b"PAR1".as_slice(), &u32::MAX.to_le_bytes(), b"PAR1"].concat(),
        // Lists of 2^31 row groups, of schema elements, of fields.
        with_footer(&bytes, |_| b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07".to_vec()),
        with_footer(&bytes, |_| {
            b"\x15\x02\x19\x0c\x16\x00\x19\xfc\xff\xff\xff\xff\x07\x00".to_vec()
        }),
        with_footer(&bytes, |footer| footer[..footer.len() / 2].to_vec()),
        with_footer(&bytes, |footer| vec![0x1c; footer.len()]),
    ];
    // The bytes of page headers, one at a time.
    for column in [1, 2] {
        let pages = pages(&bytes, column);
        for at in pages.start..pages.start + 16 {
            for value in [0x7f, 0xff] {
                let mut lie = bytes.clone();
                lie[at] = value;
                lies.push(lie);
            }
        }
    }
    for lie in lies {
        let name = format!("{:?}", lie.len());
        let cleaned = clean(&lie);
        match cleaned.ran.code {
            // A byte that says nothing of the values.
            Some(0) => assert_eq!(cleaned.ran.first()["rows_read"], 300, "{name}"),
            Some(1) => {
                let error = cleaned.failure();
                assert!(error.contains("green 2020-01"), "{error}");
            }
            code => panic!("{code:?}: {}", cleaned.ran.stderr),
        }
    }
}

#[test]
fn counts_that_do_not_add_up_are_damage() {
    let (bytes, _) = handmade::file(false);
    let footer = pages(&bytes, 1).end;
    // Three rows or values as a 64-bit field: of the file, its row group and both columns.
    let counts = bytes.windows(2).enumerate().skip(footer).filter(|(_, pair)| *pair == [0x16, 6]);
    let counts: Vec<usize> = counts.map(|(at, _)| at + 1).collect();
    assert_eq!(counts.len(), 4);
    for at in counts {
        // Four, two, minus three.
        for count in [8, 4, 5] {
            let mut lie = bytes.clone();
            lie[at] = count;
            let error = clean(lie).failure();
            assert!(error.contains("the Parquet file of green 2020-01 is damaged"), "{error}");
        }
    }
}

#[test]
fn a_schema_of_very_many_columns_is_refused() {
    let names: Vec<String> = (0..10_000).map(|at| format!("column_{at}")).collect();
    let mut columns = vec![pickups(1)];
    columns.extend(names.iter().map(|name| integers(name, vec![1])));
    let error = clean(parquet(columns)).failure();
    insta::assert_snapshot!(error, @"green 2020-01 has 10001 columns: this is not a trip file");
}

#[test]
fn a_row_set_aside_keeps_the_fields_of_columns_that_nobody_knows() {
    let rows = 3000_i64;
    let text = |row: i64| format!("text {row}");
    let shapes: Vec<Option<Vec<u8>>> =
        (0..rows).map(|row| (row % 5 > 0).then(|| vec![row as u8; 40])).collect();
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..rows {
        for item in 0..row % 3 {
            lists.values().append_value(format!("{row}.{item}"));
        }
        lists.append(true);
        maps.keys().append_value("k");
        maps.values().append_value(text(row));
        maps.append(true).unwrap();
    }
    let inner = StringArray::from_iter_values((0..rows).map(text));
    let field = Arc::new(Field::new("inner", DataType::Utf8, false));
    let structs = StructArray::from(vec![(field, Arc::new(inner) as ArrayRef)]);
    let fares = (0..rows).map(|row| if row % 700 == 3 { f64::INFINITY } else { 1.5 }).collect();
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("shape", Arc::new(BinaryArray::from_iter(shapes.clone()))),
            pickups(rows),
            ("lists", Arc::new(lists.finish_cloned())),
            numbers("fare_amount", fares),
            ("note", Arc::new(StringArray::from_iter_values((0..rows).map(text)))),
            ("maps", Arc::new(maps.finish_cloned())),
            ("structs", Arc::new(structs.clone())),
            integers("count", (0..rows).collect()),
        ]
    };
    let columns = columns();
    let many = || WriterProperties::builder().set_max_row_group_row_count(Some(800));
    for properties in [
        WriterProperties::builder(),
        many(),
        many().set_data_page_row_count_limit(100).set_write_batch_size(100),
        many().set_dictionary_enabled(false).set_writer_version(WriterVersion::PARQUET_2_0),
        many()
            .set_compression(Codec::SNAPPY)
            .set_column_encoding("note".into(), Encoding::DELTA_BYTE_ARRAY),
    ] {
        let cleaned = clean(written(columns.clone(), properties));
        cleaned.assert_rows(2995, 5);
        let aside = cleaned.set_aside();
        for (row, aside) in (3..rows).step_by(700).zip(&aside) {
            assert_eq!(aside.line, row + 1);
            let shape = shapes[row as usize].iter().flatten();
            let shape: String = shape.map(|byte| format!("{byte:02x}")).collect();
            let items: Vec<_> = (0..row % 3).map(|item| format!("{row}.{item}")).collect();
            let expected = [
                shape,
                format!(
                    "2020-01-{:02} {:02}:{:02}:00",
                    5 + (row + 600) / 1440,
                    (10 + row / 60) % 24,
                    row % 60
                ),
                format!("[{}]", items.join(", ")),
                "inf".to_owned(),
                text(row),
                format!("{{k: {}}}", text(row)),
                format!("{{inner: {}}}", text(row)),
                row.to_string(),
            ];
            assert_eq!(aside.fields, expected);
        }
        assert_eq!(aside.len(), 5);
    }
}

#[test]
fn a_file_without_a_known_column_is_refused() {
    let columns = vec![integers("a", vec![1, 2]), numbers("b", vec![1.0, 2.0])];
    let error = clean(parquet(columns)).failure();
    assert!(error.contains("no pickup time among its columns (a, b)"), "{error}");
}
