//! The examples at the end of each command's help.

use crate::flow_definition::FlowDefinition;

/// How a flow is run.
pub(super) fn of_flow(flow: &FlowDefinition) -> String {
    let examples = format!("Examples:\n  {}", flow.examples.join("\n  "));
    if flow.takes_months() { examples + EXIT_CODES } else { examples }
}

const EXIT_CODES: &str = "

Exit codes: 0 all done or nothing to do, 1 a month failed, 2 wrong usage, 130 interrupted";

pub(super) const TAXI: &str = "\
Examples:
  taxi run etl-web-to-gcs --colour green --year 2020 --months 1-3
  taxi run ingest-data --colour yellow --from 2021-01 --to 2021-01
  taxi run etl-parent-flow --colour yellow,green --from 2019-01 --to 2021-07 --to-warehouse postgres
  taxi quarantine --colour green --month 2020-01
  taxi config --profile cloud

taxi COMMAND --help describes each command, with examples.";

pub(super) const RUN: &str = "\
Examples:
  taxi run etl-web-to-gcs                          green, January and February 2020, to ./data
  taxi run etl-web-to-gcs --colour green --lag-months 2      the newest published month
  taxi run etl-parent-flow --from 2019-01 --to 2021-07 --to-warehouse postgres
  taxi run etl-parent-flow --profile cloud         with the settings of a profile

Exit codes: 0 all done or nothing to do, 1 a month failed, 2 wrong usage, 130 interrupted";

pub(super) const RUNS: &str = "\
Examples:
  taxi runs
  taxi runs show last
  taxi runs --output json";

pub(super) const RUNS_SHOW: &str = "\
Examples:
  taxi runs show last
  taxi runs show last --output json";

pub(super) const FLOW_RUN: &str = "\
Examples:
  taxi flow-run create etl-parent-flow/green-backfill --from 2019-01 --to 2020-12
  PREFECT_API_URL=http://localhost:4200/api taxi flow-run execute --id ID";

pub(super) const FLOW_RUN_CREATE: &str = "\
Each month becomes a flow run, so that several workers can share them. If the command is repeated
with the same --tag, no month gets a second flow run.

Examples:
  taxi flow-run create etl-parent-flow/green-backfill --from 2019-01 --to 2020-12 --dry-run
  taxi flow-run create etl-parent-flow/green-backfill --colour yellow,green --from 2019-01 \\
    --to 2020-12 --to-warehouse postgres
  taxi flow-run create ingest-data/local --year 2020 --tag second-go

Exit codes: 0 the flow runs exist, 1 the server failed, 2 wrong usage";

pub(super) const STATUS: &str = "\
Examples:
  taxi status                                           every month in the lake
  taxi status --colour green --from 2019-01 --to 2021-07 --to-warehouse postgres
  taxi status --colour yellow --year 2020 --check-source

Exit codes: 0 every store answered, 1 one did not, 2 wrong usage, 130 interrupted";

pub(super) const VERIFY: &str = "\
Examples:
  taxi verify                                           every month in the lake
  taxi verify --colour green --from 2019-01 --to 2021-07 --to-warehouse postgres,bigquery

In the lake, every object is read completely; in a warehouse, a query counts the rows. Row counts
are compared with the footer and the ledger, and the sums of a few columns between the stores.

Exit codes: 0 all agree, 1 something disagrees or could not be counted, 2 wrong usage,
130 interrupted";

pub(super) const DROP: &str = "\
Examples:
  taxi drop --colour green --month 2020-01
  taxi drop --colour green --month 2020-01 --from-stores postgres --yes

Exit codes: 0 removed or not there, 1 a store failed, 2 wrong usage, 130 interrupted";

pub(super) const QUARANTINE: &str = "\
Examples:
  taxi quarantine --colour green --month 2020-01
  taxi quarantine --colour yellow --month 2021-01 --reason pickup_outside_month --limit 5
  taxi quarantine --colour yellow --month 2021-01 --output csv > set-aside.csv";

pub(super) const SCHEMA: &str = "\
Examples:
  taxi schema green
  taxi schema --output json";

pub(super) const CONFIG: &str = "\
Examples:
  taxi config
  taxi config --profile cloud
  taxi config --lake prod --output json";

pub(super) const CONNECTIONS: &str = "\
Examples:
  taxi connections list
  taxi connections test
  taxi connections test prod";

pub(super) const CONNECTIONS_LIST: &str = "\
Examples:
  taxi connections list
  taxi connections list --profile cloud --output json

A star marks the connections that a run uses by default.";

pub(super) const CONNECTIONS_TEST: &str = "\
Examples:
  taxi connections test
  taxi connections test prod
  DATABASE_URL=postgres://me:secret@host/db taxi connections test

Exit codes: 0 all connect, 1 one does not, 2 wrong usage";

pub(super) const COMPLETIONS: &str = "\
Examples:
  taxi completions bash > ~/.local/share/bash-completion/completions/taxi
  taxi completions zsh > \"${fpath[1]}/_taxi\"
  taxi completions fish > ~/.config/fish/completions/taxi.fish";

pub(super) const DEPLOY: &str = "\
The server is given by PREFECT_API_URL, else by Prefect's active profile; the credentials by
PREFECT_API_KEY or PREFECT_API_AUTH_STRING.

Examples:
  taxi deploy --dry-run
  taxi deploy --only monthly
  prefect worker start --pool nyc-taxi
  prefect deployment run etl-parent-flow/monthly -p year=2019 -p 'months=[6,7]'";

pub(super) const FLOW_RUN_EXECUTE: &str = "\
A worker passes the flow run in PREFECT__FLOW_RUN_ID and its server in PREFECT_API_URL.

Examples:
  prefect worker start --pool nyc-taxi
  taxi flow-run execute --id 5707e928-5723-4f1e-8e5a-f6b00df088d1

SIGTERM stops it at a safe point. Exit codes: 0 the end of the run was reported to the server,
whatever its state; 1 it was not, and the run failed";
