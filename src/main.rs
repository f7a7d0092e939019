//! The command line of Parlour.

use std::{
    error::Error,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use nix::sys::stat::Mode;
use parlour::{
    auth::Auth,
    check,
    cluster::bus::Bus,
    config::Config,
    db::{Db, DownError, file::ProcessLock},
    error::with_causes,
    media::signed_url::UrlSigner,
    server,
    server::Server,
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long `healthcheck` waits for each step.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A Socket.IO chat server: ordered, durable, resumable rooms.
///
/// Without a command it serves. Every setting has a default; a file, `.env` in the working folder and the environment override it, in
/// that order. `parlour config show` prints what is in effect.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// A TOML file with settings; `.env` and the environment override it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; a second signal stops at once (the default)
    Serve,
    /// Change the schema of the database
    #[command(subcommand)]
    Migrate(Migrate),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(Show),
    /// Print an access token for an account, for operations and tests
    ///
    /// The token is a login of its own, without a password, and lives as long as every access token (auth.access_token_seconds, 30
    /// minutes by default). The account is one of the database that the settings name (DATABASE_URL, or the file in DATA_DIR), and
    /// the token is for servers with the same secret key: run this with the settings of the server, in the same folder.
    Token {
        /// The account: an id, an e-mail address or a user name
        #[arg(long, value_name = "WHO")]
        user: String,
    },
    /// Ask the server on this machine whether it is alive; exit code 0 if it is
    Healthcheck,
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Apply all pending migrations
    Up,
    /// Revert the latest migrations and destroy their data; without --yes, only list what would be destroyed
    Down {
        /// How many migrations
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
        /// Destroy the data
        #[arg(long)]
        yes: bool,
        /// The name of the database; required in production
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
    /// List all migrations
    Status,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Check all settings, and whether the database, the media store, Redis and the mail server answer; changes nothing
    Check,
    /// Print the effective settings as TOML, without secrets
    Show,
}

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    // Messages, files and keys are for this user alone, whatever makes a file for them.
    nix::sys::stat::umask(Mode::S_IRWXG | Mode::S_IRWXO);
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&*error);
            ExitCode::FAILURE
        }
    }
}

/// One line: what failed, and why.
#[allow(clippy::print_stderr, reason = "this is where a command says why it failed")]
fn report(error: &dyn Error) {
    eprintln!("parlour: {}", with_causes(error));
}

async fn run(cli: Cli) -> Outcome {
    let config = Config::load(cli.config.as_deref())?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Migrate(command) => migrate(&config, command).await,
        Command::Config(Show::Show) => {
            print!("{}", config.to_toml()?);
            Ok(())
        }
        Command::Config(Show::Check) => check(&config).await,
        Command::Token { user } => token(config, &user).await,
        Command::Healthcheck => healthcheck(&config),
    }
}

async fn serve(config: Config) -> Outcome {
    telemetry::start(&config.log);
    config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    raise_file_limit();
    // From here on a signal is ours to answer, also while the server starts.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut stop_signal = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let server = tokio::select! {
        server = Server::start(config) => server?,
        () = stop_signal() => return Ok(()),
    };
    println!("listening on http://{}", server.address());
    server
        .run(async move {
            stop_signal().await;
            tokio::spawn(async move {
                stop_signal().await;
                tracing::warn!("stopping at once");
                std::process::exit(1);
            });
        })
        .await?;
    Ok(())
}

/// A connection is an open file, and shells allow 1024 of them by default.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    match raised {
        Ok(most) => tracing::debug!(most, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

async fn check(config: &Config) -> Outcome {
    let is_running = healthcheck(config).is_ok();
    let problems = check::problems(config, is_running).await;
    config.warnings().iter().for_each(|warning| println!("warning: {warning}"));
    match problems.as_slice() {
        [] if is_running => {
            println!("the configuration is good; a server runs with it, which has to stop before another can start");
            Ok(())
        }
        [] => {
            println!("the configuration is good: a server would start with it, and what it needs answers");
            Ok(())
        }
        [only] => Err(only.as_str().into()),
        all => Err(format!("{} problems\n  - {}", all.len(), all.join("\n  - ")).into()),
    }
}

async fn migrate(config: &Config, command: Migrate) -> Outcome {
    let db = match command {
        Migrate::Up => {
            let _lock = ProcessLock::take(config)?;
            let db = server::open_database(config).await?;
            db.migrate_up().await?;
            Some(db)
        }
        Migrate::Down { steps, yes, database } => {
            let Some(db) = server::open_existing_database(config).await? else {
                return Err(Box::new(DownError::TooMany(0)));
            };
            let _lock = ProcessLock::take(config)?;
            migrate_down(config, &db, steps, yes, database.as_deref()).await?;
            Some(db)
        }
        Migrate::Status => server::open_existing_database(config).await?,
    };
    let migrations = match &db {
        Some(db) => db.migrations().await?,
        None => Db::migrations_of_none(),
    };
    for (name, applied) in migrations {
        println!("{} {name}", if applied { "applied" } else { "pending" });
    }
    if let Some(db) = db {
        db.close().await;
    }
    Ok(())
}

/// Says what is destroyed, and destroys it if that was asked for.
async fn migrate_down(config: &Config, db: &Db, steps: u32, yes: bool, database: Option<&str>) -> Outcome {
    let name = config.database_url().name();
    let is_named = database == Some(name.as_str()) || (database.is_none() && !config.is_production());
    let loss = db.migrate_down(steps, yes && is_named).await?;
    let migrations = loss.migrations.join(", ");
    match loss.tables.is_empty() && loss.columns.is_empty() {
        true => println!("taking back {migrations} destroys no table, row or column"),
        false => println!("taking back {migrations} destroys:"),
    }
    for (table, rows) in &loss.tables {
        println!("  table {table} with {rows} rows");
    }
    for column in &loss.columns {
        println!("  column {column}");
    }
    match (yes, is_named) {
        (true, true) => Ok(()),
        (false, _) if config.is_production() => {
            Err(format!("nothing was changed; to go on, add --yes --database {name}").into())
        }
        (false, _) => Err("nothing was changed; to go on, add --yes".into()),
        (true, false) => Err(format!("nothing was changed; the database is {name}: add --database {name}").into()),
    }
}

async fn token(mut config: Config, user: &str) -> Outcome {
    config.complete_secret_key()?;
    let Some(db) = server::open_existing_database(&config).await? else {
        return Err(format!("there is no database {} yet", config.database_url()).into());
    };
    let (bus, _inlet) = Bus::alone();
    let auth = Auth::new(&config, db, bus, UrlSigner::new(&config))?;
    println!("{}", auth.token_for(user).await?);
    Ok(())
}

/// `GET /healthz`, without an HTTP client to build in.
fn healthcheck(config: &Config) -> Outcome {
    let host = match config.server.host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    let address = SocketAddr::new(host, config.server.port);
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| format!("{address}: {error}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer).map_err(|error| format!("{address}: {error}"))?;
    match answer.lines().next() {
        Some("HTTP/1.1 200 OK") => Ok(()),
        other => Err(format!("{address} answered {:?}", other.unwrap_or_default()).into()),
    }
}
