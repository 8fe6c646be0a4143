use std::fmt;

use chrono::{DateTime, Utc};

/// The name of a run, `20261124T104512-4f2a`: when it began (UTC), and something of its own.
/// Names in order are runs in order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The name of a run that begins now.
    pub fn now() -> Self {
        Self::at(Utc::now(), uuid::Uuid::new_v4().as_u128() as u16)
    }

    fn at(time: DateTime<Utc>, own: u16) -> Self {
        Self(format!("{}-{own:04x}", time.format("%Y%m%dT%H%M%S")))
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
        let time = DateTime::from_timestamp(1_795_517_112, 0).unwrap();
        assert_eq!(RunId::at(time, 0x4f2a).as_str(), "20261124T104512-4f2a");
        assert_eq!(RunId::at(time, 7).as_str().len(), RunId::now().as_str().len());
    }
}
