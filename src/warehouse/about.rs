use crate::flow::TaskName;

/// What a kind of warehouse is called where.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    /// Its name, as flags, settings and reports spell it.
    pub name: &'static str,
    /// Its name, for people.
    pub title: &'static str,
    /// The task that loads a month, or the taxi zones.
    pub load_task: TaskName,
    /// The task that counts a month.
    pub count_task: TaskName,
    /// The flow that loads into it from the lake and does nothing else; `None` if only
    /// etl-parent-flow loads into it.
    pub load_flow: Option<&'static str>,
}
