//! Files that are not what their name says: the error names the format and says what to do.

use flate2::write::ZlibEncoder;

use super::*;

/// A tar archive of one file, with the mark of POSIX or from before it.
fn tar(name: &str, content: &[u8], mark: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[257..257 + mark.len()].copy_from_slice(mark);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; 512 - content.len() % 512];
    [header, content.to_vec(), padding, vec![0; 1024]].concat()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn wide(text: &str, mark: &str) -> Vec<u8> {
    format!("{mark}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn csv() -> Vec<u8> {
    (HEADER.to_owned() + &TRIP.repeat(30)).into_bytes()
}

/// Bytes of many kinds, none of them trips.
fn others() -> Vec<Vec<u8>> {
    let text = String::from_utf8(csv()).unwrap();
    vec![
        tar("green_tripdata_2020-01.csv", &csv(), b"ustar\x0000"),
        tar("green_tripdata_2020-01.csv", &csv(), b"ustar  \0"),
        tar("green_tripdata_2020-01.csv", &csv(), b""),
        [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &csv()].concat(),
        b"7z\xbc\xaf\x27\x1c\0\x04rest".to_vec(),
        b"Rar!\x1a\x07\x01\0rest".to_vec(),
        zlib(&csv()),
        b"BZh91AY&SYrest".to_vec(),
        b"\xfd7zXZ\0\0\x04rest".to_vec(),
        b"\x28\xb5\x2f\xfd\x04rest".to_vec(),
        b"\x04\x22\x4d\x18\x64rest".to_vec(),
        b"\xff\x06\0\0sNaPpYrest".to_vec(),
        b"\x1f\x9d\x90rest".to_vec(),
        wide(&text, "\u{feff}"),
        wide(&text, ""),
        b"<!DOCTYPE html><html><body>Back soon</body></html>\n".to_vec(),
        b"<?xml version='1.0'?><Error/>".to_vec(),
        b"{\"message\": \"Not Found\"}".to_vec(),
        b"[{\"VendorID\": 2}]".to_vec(),
        b"ORC\x08\x03rest".to_vec(),
        b"Obj\x01\x04\x14avro.codec".to_vec(),
        b"ARROW1\0\0\xff\xff\xff\xff".to_vec(),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0".to_vec(),
        b"SQLite format 3\0\x10".to_vec(),
        b"%PDF-1.4\n".to_vec(),
        b"\x80\x04\x95\x10\0\0\0".to_vec(),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n".to_vec(),
        b"PARE\x15\x04".to_vec(),
        b"\xe5\x85\x95\x84\x96\x99\xc9\xc4\x6b\x97\x89\x83\x92\xa4\x97\x15".to_vec(),
        b"Vendor\0ID,lpep_pickup_datetime\n".to_vec(),
    ]
}

#[test]
fn what_a_file_is_instead_is_named() {
    let errors: Vec<_> = others().into_iter().map(|bytes| clean(bytes).failure()).collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn what_a_gzip_file_holds_instead_is_named() {
    let parquet = Recipe::new(Colour::Green, 2020, 1).rows(9).form(Form::Parquet).bytes().0;
    let more = [gzip(&csv()), parquet];
    let errors: Vec<_> =
        others().into_iter().chain(more).map(|bytes| clean(gzip(&bytes)).failure()).collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn what_was_kept_as_fetched_is_looked_at_too() {
    let taxi = Taxi::new();
    let raw = taxi.lake("raw/green");
    std::fs::create_dir_all(&raw).unwrap();
    let bytes = gzip(&tar("trips.csv", &csv(), b"ustar\x0000"));
    std::fs::write(raw.join("green_tripdata_2020-01.csv.gz"), bytes).unwrap();
    let ran = taxi.run(month_args("green", "2020-01", "raw")).exits(1);
    insta::assert_snapshot!(ran.first()["error"].as_str().unwrap(), @"the gzip file of green 2020-01 is not CSV inside: it is a tar archive. Unpack it and use the CSV or Parquet file inside");
}

#[test]
fn a_header_with_bytes_of_zero_is_refused_wherever_it_stands() {
    let header = HEADER.replace("fare_amount", "fare\0amount");
    let error = clean("\n".to_owned() + &header + TRIP).failure();
    insta::assert_snapshot!(error, @"the header of green 2020-01 contains zero bytes: it is not a trip file, or it is damaged. Check the address");
}

#[test]
fn padding_after_gzip_is_no_part_of_it() {
    for padding in [1, 512, 10_240, 65_536] {
        let padded = [gzip(&csv()), vec![0; padding]].concat();
        clean(padded).assert_rows(30, 0);
    }
    // Members that were padded to blocks before they were joined; the first is empty.
    let members = [b"".as_slice(), HEADER.as_bytes(), TRIP.as_bytes(), b"", TRIP.as_bytes()];
    let members = members.map(|text| [gzip(text), vec![0; 100]].concat());
    clean(members.concat()).assert_rows(2, 0);
}

#[test]
fn anything_else_after_gzip_is_damage() {
    for rest in [
        b"and more".as_slice(),
        b"\0\0\0\x01",
        b"\0\x1f",
        b"\x1f\x8b\x08",
        vec![0; 70_000].as_slice(),
    ] {
        let error = clean([gzip(&csv()).as_slice(), rest].concat()).failure();
        assert!(error.contains("the gzip file of green 2020-01 is damaged"), "{error}");
    }
}

#[test]
fn byte_order_marks_and_line_ends_of_any_number_are_read() {
    let text = String::from_utf8(csv()).unwrap();
    let quoted = HEADER.replace("VendorID", "\"VendorID\"") + &TRIP.repeat(30);
    let again = "\u{ef}\u{bb}\u{bf}";
    for text in [
        format!("\u{feff}\u{feff}{text}"),
        format!("\u{feff}\u{feff}\u{feff}{text}"),
        format!("{again}{text}"),
        format!("\u{feff}{again}{text}"),
        format!("\u{feff}{quoted}"),
        format!("\n\u{feff}{quoted}"),
        text.replace('\n', "\r\r\n"),
        text.replace('\n', "\r\r\r\n"),
        quoted.replace(",N,", ",\"N\",").replace('\n', "\r\r\n"),
        text.trim_end().replace('\n', "\r\r\n") + "\r\r",
    ] {
        for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
            let cleaned = clean(bytes);
            cleaned.assert_rows(30, 0);
            assert_eq!(cleaned.warnings(), "", "{text:.30}");
            let vendors = &Parquet::read(&cleaned.taxi.lake(TRIPS)).rows["vendor_id"];
            assert_eq!(vendors.null_count(), 0);
        }
    }
}

/// Runs a flow with months in `in/` and sentences on stderr.
fn refused(taxi: &Taxi, flow: &str, colour: &str, source: &str, more: &[&str]) -> String {
    let args = ["run", flow, "--colour", colour, "--from", "2020-01", "--to", "2020-01"];
    let ran = taxi.run(args.iter().chain(&["--source", source]).chain(more));
    let root = taxi.folder().display().to_string();
    ran.exits(2).stderr.replace(&root, "/root").trim().to_owned()
}

#[test]
fn a_source_that_is_the_same_for_several_colours_is_refused_at_the_start() {
    let taxi = Taxi::new();
    let folder = taxi.folder().join("in");
    std::fs::create_dir(&folder).unwrap();
    let (bytes, _) = Recipe::new(Colour::Green, 2020, 1).rows(9).form(Form::CsvGz).bytes();
    std::fs::write(folder.join("2020-01.csv.gz"), &bytes).unwrap();
    let url = "http://me:pw@127.0.0.1:9/{year}-{month}.csv?sig=abc";
    let mut errors = Vec::new();
    for flow in ["etl-web-to-gcs", "ingest-data", "etl-parent-flow"] {
        errors.push(refused(&taxi, flow, "yellow,green", "in/{year}-{month}.csv.gz", &[]));
        errors.push(refused(&taxi, flow, "green,fhv", url, &["--dry-run"]));
    }
    errors.dedup();
    insta::assert_snapshot!(errors[..2].join("\n"), @"
error: the source in/{year}-{month}.csv.gz is the same for yellow and green: the trips of one would be read as those of the other. Put {colour} into the address, or run one colour at a time
error: the source http://127.0.0.1:9/{year}-{month}.csv is the same for green and fhv: the trips of one would be read as those of the other. Put {colour} into the address, or run one colour at a time
");
    assert!(errors.iter().all(|error| errors[..2].contains(error)), "{errors:?}");
    assert_eq!(taxi.files("data"), Vec::<String>::new());

    // One colour, and a folder whose files are named for theirs.
    let one = taxi.month("green", "2020-01", "in/{year}-{month}.csv.gz").exits(0);
    assert_eq!(one.state(), "published");
    std::fs::write(folder.join("green_tripdata_2020-01.csv.gz"), &bytes).unwrap();
    let ran = taxi.month("yellow,green", "2020-01", "in/").exits(0);
    assert_eq!(ran.json()["months"].as_array().unwrap().len(), 2);
}

#[test]
fn the_lake_is_not_its_own_source() {
    let taxi = Taxi::new();
    let folder = taxi.folder().join("in");
    std::fs::create_dir(&folder).unwrap();
    let recipe = Recipe::new(Colour::Green, 2020, 1).dirt(Dirt::Unreadable, 9);
    let (bytes, made) = recipe.form(Form::CsvGz).bytes();
    std::fs::write(folder.join("green_tripdata_2020-01.csv.gz"), &bytes).unwrap();
    taxi.month("green", "2020-01", "in/").exits(0);
    let before = taxi.files("data");
    std::os::unix::fs::symlink("data", taxi.folder().join("link")).unwrap();
    let root = taxi.folder().display().to_string();
    let mut errors = Vec::new();
    for source in [
        "data/",
        "./data",
        "link/",
        "data/green/",
        &format!("{root}/in/../data"),
        &format!("file://{root}/data"),
        "data/{colour}/{colour}_tripdata_{year}-{month}.parquet",
    ] {
        errors.push(refused(&taxi, "etl-web-to-gcs", "green", source, &[]));
        refused(&taxi, "etl-parent-flow", "green", source, &["--dry-run"]);
        refused(&taxi, "etl-web-to-gcs", "green", source, &["--force", "--lake", "link"]);
    }
    insta::assert_snapshot!(errors.join("\n"), @"
error: the source data/ is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
error: the source ./data is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
error: the source link/ is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
error: the source data/green/ is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
error: the source /root/in/../data is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
error: the source file:///root/data is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
error: the source data/{colour}/{colour}_tripdata_{year}-{month}.parquet is inside the lake's own folder data: months would overwrite themselves. Give the folder of the original files; --source raw reads those stored in the lake
");
    assert_eq!(taxi.files("data"), before);
    let trips = Parquet::read(&taxi.lake(TRIPS));
    trips.assert_sums(&made);

    // Other folders below it are other places.
    std::fs::rename(&folder, taxi.lake("in")).unwrap();
    taxi.month("green", "2020-01", "data/in").exits(0);
}
