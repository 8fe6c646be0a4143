//! Whether BigQuery loads from a bucket into a dataset, by where they are
//! (<https://cloud.google.com/bigquery/docs/batch-loading-data#data-locations>).

/// The regions of the buckets that stand for two of them
/// (<https://cloud.google.com/storage/docs/locations#predefined>).
const PAIRS: [(&str, [&str; 2]); 6] = [
    ("asia1", ["asia-northeast1", "asia-northeast2"]),
    ("eur4", ["europe-north1", "europe-west4"]),
    ("eur5", ["europe-west1", "europe-west2"]),
    ("eur7", ["europe-west2", "europe-west3"]),
    ("eur8", ["europe-west3", "europe-west6"]),
    ("nam4", ["us-central1", "us-east1"]),
];

/// The regions of Europe that are not of the multi-region `EU`.
const NOT_EU: [&str; 2] = ["europe-west2", "europe-west6"];

/// Whether a bucket is beside a dataset. A bucket is in one location or in a pair of regions.
/// Says no only where it is sure.
pub(super) fn beside(dataset: &str, bucket: &str, pair: &[String]) -> bool {
    let (dataset, bucket) = (dataset.to_lowercase(), bucket.to_lowercase());
    let known = PAIRS.iter().find(|(name, _)| *name == bucket);
    let regions: Vec<String> = match (known, pair.is_empty()) {
        (Some((_, regions)), _) => regions.iter().map(|&region| region.to_owned()).collect(),
        (None, false) => pair.iter().map(|region| region.to_lowercase()).collect(),
        (None, true) => vec![bucket],
    };
    regions.iter().any(|region| match (dataset.as_str(), region.as_str()) {
        // For a dataset of all the United States, BigQuery says so itself.
        ("us", _) | ("eu", "eu") => true,
        ("eu", region) => region.starts_with("europe-") && !NOT_EU.contains(&region),
        (dataset, "us") => dataset.starts_with("us-"),
        (dataset, "eu") => dataset.starts_with("europe-"),
        (dataset, "asia") => dataset.starts_with("asia-"),
        (dataset, region) => dataset == region,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_beside_a_dataset_or_not() {
        for (dataset, bucket, pair, answer) in [
            ("US", "US", &[][..], true),
            ("US", "US-CENTRAL1", &[], true),
            ("US", "EUROPE-WEST1", &[], true),
            ("EU", "EU", &[], true),
            ("EU", "EUROPE-WEST3", &[], true),
            ("EU", "EUROPE-WEST2", &[], false),
            ("EU", "US", &[], false),
            ("EU", "EUR4", &[], true),
            ("europe-west1", "EUROPE-WEST1", &[], true),
            ("europe-west1", "EUROPE-WEST3", &[], false),
            ("europe-west4", "EUR4", &[], true),
            ("us-central1", "NAM4", &[], true),
            ("us-west1", "NAM4", &[], false),
            ("us-west1", "US", &["US-WEST1", "US-EAST1"], true),
            ("us-south1", "US", &["US-WEST1", "US-EAST1"], false),
            ("asia-northeast1", "EU", &[], false),
        ] {
            let pair: Vec<String> = pair.iter().map(|&region| region.to_owned()).collect();
            assert_eq!(beside(dataset, bucket, &pair), answer, "{dataset} {bucket} {pair:?}");
        }
    }
}
