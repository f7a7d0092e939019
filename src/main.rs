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
use parlour::{
    auth::Auth,
    bus::Bus,
    clock::Clock,
    config::Config,
    media::{link::Links, store::Store},
    server,
    server::Server,
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long `healthcheck` waits for each step.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why the media store cannot be used: what clients are told of it leaves the reason out.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the media store")]
struct Unusable(#[source] parlour::error::Error);

/// A Socket.IO chat server: ordered, durable, resumable rooms.
///
/// Without a command it serves. Every setting has a default; `parlour config show` prints what is in effect.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// A TOML file with settings; the environment overrides it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; a second signal stops at once (the default)
    Serve,
    /// Change the database's schema
    #[command(subcommand)]
    Migrate(Migrate),
    /// Look at the configuration
    #[command(subcommand)]
    Config(Show),
    /// Print an access token for an account, for operations and tests
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
    /// Apply what is pending
    Up,
    /// Take back the latest migrations, and the data they hold
    Down {
        /// How many
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// List all migrations
    Status,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Check all settings, connect to the database, and store, read and remove a trial file
    Check,
    /// Print the effective settings as TOML, without secrets
    Show,
}

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
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
    let mut line = format!("parlour: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        // Some errors already quote what caused them.
        let text = source.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = source.source();
    }
    eprintln!("{line}");
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
        Command::Config(Show::Check) => {
            let pending = server::open_database(&config).await?.pending_migrations().await?;
            Store::new(&config)?.check().await.map_err(Unusable)?;
            println!(
                "the configuration is good; the database answers; the media store answers; {pending} migrations are pending"
            );
            Ok(())
        }
        Command::Token { user } => token(config, &user).await,
        Command::Healthcheck => healthcheck(&config),
    }
}

async fn serve(config: Config) -> Outcome {
    telemetry::start(&config.log);
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
        .await;
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

async fn migrate(config: &Config, command: Migrate) -> Outcome {
    let db = server::open_database(config).await?;
    match command {
        Migrate::Up => db.migrate_up().await?,
        Migrate::Down { steps } => db.migrate_down(steps).await?,
        Migrate::Status => {}
    }
    for (name, applied) in db.migrations().await? {
        println!("{} {name}", if applied { "applied" } else { "pending" });
    }
    db.close().await;
    Ok(())
}

async fn token(mut config: Config, user: &str) -> Outcome {
    config.complete_secret_key()?;
    let db = server::open_database(&config).await?;
    let (bus, _inlet) = Bus::alone();
    let auth = Auth::new(&config, Clock, db, bus, Links::new(&config))?;
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
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| format!("{address}: {error}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer).map_err(|error| format!("{address}: {error}"))?;
    match answer.lines().next() {
        Some("HTTP/1.1 200 OK") => Ok(()),
        other => Err(format!("{address} answered {:?}", other.unwrap_or_default()).into()),
    }
}
