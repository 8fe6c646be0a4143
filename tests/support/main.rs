//! The servers and data of the tests, for use by hand, by benchmarks and by the quickstart.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use taxi_test_support::bigquery::BigQueryServer;
use taxi_test_support::gcs::GcsProxy;
use taxi_test_support::generate;
use taxi_test_support::web::Web;

#[derive(Parser)]
#[command(name = "support", about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a folder's files over HTTP until it is killed
    Serve {
        dir: PathBuf,
        /// 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Runs a GCS server and the proxy before it until it is killed
    Gcs {
        /// The proxy's port; 0 takes a free one
        #[arg(long, default_value_t = 4443)]
        port: u16,
        /// A server that runs already, instead of one of its own
        #[arg(long, value_name = "URL")]
        upstream: Option<String>,
        /// Makes this bucket; can be given many times
        #[arg(long, value_name = "NAME")]
        bucket: Vec<String>,
    },
    /// Runs a BigQuery server that loads from a GCS server, until it is killed
    Bigquery {
        #[arg(long, default_value_t = 9050)]
        port: u16,
        /// The GCS server that it reads gs:// from
        #[arg(long, value_name = "URL", default_value = "http://localhost:4443")]
        gcs: String,
    },
    /// Writes trip files with known dirt
    Generate(generate::Args),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match Cli::parse().command {
        Command::Serve { dir, port } => {
            let web = Web::start_on(port).await?;
            web.folder(dir);
            println!("{}", web.url());
            tokio::signal::ctrl_c().await?;
        }
        Command::Gcs { port, upstream, bucket } => {
            let proxy = match upstream {
                Some(url) => GcsProxy::before(port, &url).await?,
                None => GcsProxy::start_on(port).await?,
            };
            for name in bucket {
                proxy.make_bucket(&name).await;
            }
            println!("{}", proxy.url());
            tokio::signal::ctrl_c().await?;
        }
        Command::Bigquery { port, gcs } => {
            let server = BigQueryServer::start_on(port, &gcs).await;
            println!("{}", server.url());
            tokio::signal::ctrl_c().await?;
        }
        Command::Generate(args) => generate::run(args)?,
    }
    Ok(())
}
