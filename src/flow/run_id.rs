use std::fmt;

use chrono::{DateTime, Utc};

/// The name of a run, `20261124T104512-4f2a`: when it began (UTC), the millisecond of that second
/// in ten bits and six bits of its own. Names in order are runs in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The name of a run that begins now.
    pub fn now() -> Self {
        Self::at(Utc::now(), uuid::Uuid::new_v4().as_u128() as u8)
    }

    pub(super) fn at(time: DateTime<Utc>, own: u8) -> Self {
        // A leap second has two thousand of them.
        let millisecond = time.timestamp_subsec_millis().min(999);
        let end = millisecond << 6 | u32::from(own & 0x3f);
        Self(format!("{}-{end:04x}", time.format("%Y%m%dT%H%M%S")))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_the_time_it_began() {
        let at = |millisecond: u32, own| {
            RunId::at(
                DateTime::from_timestamp(1_795_517_112, millisecond * 1_000_000).unwrap(),
                own,
            )
        };
        assert_eq!(at(316, 42).as_str(), "20261124T104512-4f2a");
        assert_eq!(at(0, 0).as_str(), "20261124T104512-0000");
        assert!(at(999, 0xff) > at(998, 0));
        assert_eq!(RunId::now().as_str().len(), 20);
    }
}
