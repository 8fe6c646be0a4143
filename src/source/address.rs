use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::redact::{lacks_scheme, without_secrets};
use crate::trip::{Colour, Format, Month, TripFile};

/// The TLC publishes about two months late.
const PUBLISHING_LAG: u16 = 2;

/// Where files of trips come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The DataTalksClub's collection for what it has, else the TLC.
    Web,
    /// The DataTalksClub's releases of CSV files
    /// (<https://github.com/DataTalksClub/nyc-tlc-data>).
    DataTalks,
    /// The TLC's own Parquet files
    /// (<https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page>).
    Tlc,
    /// The small made-up months that come with the project, in `data/sample`.
    Sample,
    /// The bytes as fetched once, in the lake.
    Raw,
    /// An address with `{colour}`, `{year}` and `{month}` to fill in, or a folder.
    Template(String),
}

/// A source that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a known source; expected one of web, datatalks, tlc, sample, raw, a folder such as ./trips, or an address with {{colour}}, {{year}} and {{month}} in it"
)]
pub struct UnknownSource(String);

impl UnknownSource {
    fn given(text: &str) -> Self {
        Self(without_secrets(text))
    }
}

/// The place of one month's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// To be asked over HTTP.
    Web(Url),
    /// On a local disk; the first of these that exists.
    Local(Vec<PathBuf>),
    /// In the lake, under one of these keys.
    Raw(Vec<String>),
}

impl Source {
    /// The folder of the sample months, from the project's folder.
    pub const SAMPLE_FOLDER: &'static str = "data/sample";

    /// Where the file of a month is.
    pub fn locate(&self, file: TripFile) -> Result<Address, UnknownSource> {
        const TLC: &str = "https://d37ci6vzurychx.cloudfront.net/trip-data/{colour}_tripdata_{year}-{month}.parquet";
        const DATATALKS: &str = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download/{colour}/{colour}_tripdata_{year}-{month}.csv.gz";
        let template = match self {
            Self::Web if datatalks_has(file) => DATATALKS,
            Self::Web | Self::Tlc => TLC,
            Self::DataTalks => DATATALKS,
            Self::Sample => return Ok(in_folder(Self::SAMPLE_FOLDER, file)),
            Self::Raw => {
                return Ok(Address::Raw(Format::ALL.map(|format| file.raw_key(format)).into()));
            }
            Self::Template(template) => template,
        };
        let filled = file.fill(template);
        let unknown = || UnknownSource::given(template);
        if filled.starts_with("http://") || filled.starts_with("https://") {
            return Url::parse(&filled).map(Address::Web).map_err(|_| unknown());
        }
        let path = match filled.strip_prefix("file://") {
            Some(_) => Url::parse(&filled)
                .ok()
                .and_then(|url| url.to_file_path().ok())
                .ok_or_else(unknown)?,
            None => PathBuf::from(&filled),
        };
        if filled == *template {
            return Ok(in_folder(path, file));
        }
        Ok(Address::Local(vec![path]))
    }

    /// Where the taxi zones are, from `web` or the address of such a file.
    pub fn locate_zones(address: &str) -> Result<Address, UnknownSource> {
        const TLC: &str = "https://d37ci6vzurychx.cloudfront.net/misc/taxi_zone_lookup.csv";
        let address = if address == "web" { TLC } else { address };
        if address.starts_with("http://") || address.starts_with("https://") {
            let unknown = |_| UnknownSource::given(address);
            return Url::parse(address).map(Address::Web).map_err(unknown);
        }
        if lacks_scheme(address) {
            return Err(UnknownSource::given(address));
        }
        Ok(Address::Local(vec![PathBuf::from(address.strip_prefix("file://").unwrap_or(address))]))
    }

    /// Whether it has another place for each colour: an address without `{colour}` has not; in
    /// a folder the names of the files tell.
    pub fn tells_colours(&self) -> bool {
        let Self::Template(template) = self else {
            return true;
        };
        let file = |colour| TripFile::new(colour, Month::known(2020, 1));
        let is_folder = file(Colour::Green).fill(template) == *template;
        // No server is sent a fragment, and a local file has no query.
        let ends: &[char] = match template.split_once("://") {
            Some(("file", _)) => &['#', '?'],
            Some(_) => &['#'],
            None => &[],
        };
        let place = template.split(ends).next().unwrap_or_default();
        is_folder || file(Colour::Green).fill(place) != file(Colour::Yellow).fill(place)
    }

    /// Whether a month that the source does not have should be there: within the source's
    /// known range, a missing month is a failure; beyond it, it is not published yet.
    pub fn should_have(&self, file: TripFile, this_month: Month) -> bool {
        match self {
            Self::DataTalks => datatalks_has(file),
            Self::Web if datatalks_has(file) => true,
            Self::Web | Self::Tlc => {
                file.month >= first_parquet(file.colour)
                    && file.month <= this_month.back(PUBLISHING_LAG)
            }
            Self::Sample | Self::Raw | Self::Template(_) => false,
        }
    }

    /// Whether the source may have a month: one whose range is known says no beyond it.
    pub fn may_have(&self, file: TripFile, this_month: Month) -> bool {
        match self {
            Self::Web | Self::DataTalks | Self::Tlc => self.should_have(file, this_month),
            Self::Sample | Self::Raw | Self::Template(_) => true,
        }
    }
}

/// What the DataTalksClub's collection has for certain.
fn datatalks_has(file: TripFile) -> bool {
    let range = Month::known(2019, 1)..=Month::known(2021, 7);
    matches!(file.colour, Colour::Yellow | Colour::Green) && range.contains(&file.month)
}

/// The first month the TLC publishes as Parquet.
const fn first_parquet(colour: Colour) -> Month {
    match colour {
        Colour::Green => Month::known(2014, 1),
        other => other.first_month(),
    }
}

/// The names a month's file may have in a folder.
fn in_folder(folder: impl Into<PathBuf>, file: TripFile) -> Address {
    let folder = folder.into();
    let names = Format::ALL.map(|format| format!("{}.{}", file.stem(), format.ending()));
    let beside = names.iter().map(|name| folder.join(name));
    let below = names.iter().map(|name| folder.join(file.colour.as_str()).join(name));
    Address::Local(beside.chain(below).collect())
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text {
            "web" => return Ok(Self::Web),
            "datatalks" => return Ok(Self::DataTalks),
            "tlc" => return Ok(Self::Tlc),
            "sample" => return Ok(Self::Sample),
            "raw" => return Ok(Self::Raw),
            _ => {}
        }
        let source = Self::Template(text.to_owned());
        let varies = text.contains("{month}") && text.contains("{year}");
        let remote = text.contains("://") && !text.starts_with("file://");
        let scheme = text.starts_with("http://") || text.starts_with("https://");
        let a_place = text.contains('/') || text.starts_with('.');
        let known = TripFile::new(Colour::Yellow, Month::known(2020, 1));
        if text.is_empty()
            || lacks_scheme(text)
            || remote && !(scheme && varies)
            || !a_place && !varies
            || source.locate(known).is_err()
        {
            return Err(UnknownSource::given(text));
        }
        Ok(source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Web => "web",
            Self::DataTalks => "datatalks",
            Self::Tlc => "tlc",
            Self::Sample => "sample",
            Self::Raw => "raw",
            Self::Template(template) => template,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(colour: Colour, month: &str) -> TripFile {
        TripFile::new(colour, month.parse().unwrap())
    }

    fn address(source: &str, file: TripFile) -> String {
        match source.parse::<Source>().unwrap().locate(file).unwrap() {
            Address::Web(url) => url.to_string(),
            Address::Local(paths) => paths[0].display().to_string(),
            Address::Raw(keys) => keys[0].clone(),
        }
    }

    #[test]
    fn the_web_is_the_collection_where_it_has_the_month_and_else_the_tlc() {
        let collection = address("web", month(Colour::Green, "2020-01"));
        assert_eq!(
            collection,
            "https://github.com/DataTalksClub/nyc-tlc-data/releases/download/green/green_tripdata_2020-01.csv.gz"
        );
        let tlc = address("web", month(Colour::Yellow, "2024-03"));
        assert_eq!(
            tlc,
            "https://d37ci6vzurychx.cloudfront.net/trip-data/yellow_tripdata_2024-03.parquet"
        );
    }

    #[test]
    fn a_folder_and_a_template_are_places_too() {
        let file = month(Colour::Green, "2020-01");
        assert_eq!(address("trips/", file), "trips/green_tripdata_2020-01.csv.gz");
        assert_eq!(address("/x/{year}/{colour}-{month}.csv", file), "/x/2020/green-01.csv");
        assert_eq!(address("file:///x/{year}-{month}.csv", file), "/x/2020-01.csv");
        assert_eq!(address("http://h:1/{color}/{year}-{month}", file), "http://h:1/green/2020-01");
    }

    #[test]
    fn an_address_without_the_colour_is_the_same_for_all() {
        let tells = |source: &str| source.parse::<Source>().unwrap().tells_colours();
        for source in ["web", "raw", "./trips", "trips/", "http://h/{color}/{year}-{month}"] {
            assert!(tells(source), "{source}");
        }
        for source in [
            "http://h/{year}-{month}.csv",
            "/x/{year}-{month}.csv",
            "file:///x/{month}/",
            "http://h/{year}-{month}.csv#{colour}",
            "file:///x/{year}-{month}.csv#{colour}",
            "file:///x/{year}-{month}.csv?{colour}",
            "file:///x/2020-01.csv#{color}",
        ] {
            assert!(!tells(source), "{source}");
        }
    }

    #[test]
    fn what_is_no_source_is_refused_with_a_sentence() {
        for text in
            ["", "wbe", "ftp://h/{year}-{month}", "http://h/same-file.csv", "s3://b/{year}{month}"]
        {
            assert_eq!(text.parse::<Source>(), Err(UnknownSource(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_refused_source_is_shown_without_its_secrets() {
        let refused = "ftp://me:pw@h/x?sig=abc".parse::<Source>().unwrap_err().to_string();
        assert!(refused.starts_with("'ftp://h/x' is not a known source"), "{refused}");
    }

    #[test]
    fn a_missing_month_is_a_failure_only_within_the_known_range() {
        let now = Month::known(2026, 11);
        let should = |source: Source, file| source.should_have(file, now);
        assert!(should(Source::Tlc, month(Colour::Yellow, "2026-09")));
        assert!(!should(Source::Tlc, month(Colour::Yellow, "2026-10")));
        assert!(should(Source::DataTalks, month(Colour::Green, "2021-07")));
        assert!(!should(Source::DataTalks, month(Colour::Green, "2021-08")));
        assert!(!should(Source::Tlc, month(Colour::Green, "2013-12")));
        assert!(!should(Source::Template("x".into()), month(Colour::Green, "2020-01")));
        let may = |source: Source, file| source.may_have(file, now);
        assert!(may(Source::Template("x".into()), month(Colour::Green, "2020-01")));
        assert!(!may(Source::DataTalks, month(Colour::Green, "2021-08")));
    }
}
