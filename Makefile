# Each target sets up what it needs, in folders of the project, and says what it does.
.DEFAULT_GOAL := help
SHELL := bash
.PHONY: help quickstart test lint bench soak docs sample postgres services system

TAXI := target/release/taxi
SUPPORT := target/release/support

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 22

quickstart: system ## build taxi, run it on the sample months, load them into a local Postgres
	@scripts/services.sh install postgres
	@scripts/quickstart.sh

test: system services ## every test, against real servers
	cargo test --release --locked

lint: ## formatting, clippy and the documentation, warnings refused
	cargo fmt --all --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps

bench: system services ## beside DuckDB, Polars, pandas, ADBC and psql, each in one run
	benches/setup.sh
	cargo build --release --locked --bin taxi --bin support
	.bench/venv/bin/python benches/main_job.py --taxi $(TAXI) --support $(SUPPORT) $(BENCH)
	.bench/venv/bin/python benches/postgres.py --taxi $(TAXI) --support $(SUPPORT)
	.bench/venv/bin/python benches/ingest.py --taxi $(TAXI) --support $(SUPPORT)

soak: system services ## the long forms: kills, big months, fuzzing
	scripts/soak.sh $(SOAK)

docs: ## the pages that the program writes
	cargo run --release --locked --bin taxi -- schema --output markdown > docs/schema.md

sample: ## the sample months anew
	scripts/sample.sh

postgres: ## a local Postgres of one's own: prints what DATABASE_URL should be
	@scripts/services.sh install postgres
	@scripts/postgres.sh start

services: ## the servers the tests run against, in .services/
	@scripts/services.sh install gcs postgres debian-postgres pgbouncer bigquery prefect prefect_newest

system: ## a C compiler and linker, by apt where they are missing
	@scripts/system.sh
