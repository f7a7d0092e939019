//! Telemetry: log lines on standard error, and metrics.

mod measures;
mod refusals;

use std::{io::IsTerminal, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

pub use self::refusals::{RequestSpan, refused};
use crate::{
    config::{Log, LogFormat},
    db::Db,
};

/// Bounds of latency buckets in seconds, from a query that was in the cache to the patience of a person.
const LATENCIES: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging and counting. Standard output is left to what the commands print. A second call does nothing.
pub fn start(config: &Log) {
    let pretty = match config.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter(config)).with_writer(std::io::stderr);
    let started = if pretty {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        lines.json().flatten_event(true).with_span_list(false).try_init()
    };
    if started.is_ok() {
        log_panics();
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCIES)
        .map(PrometheusBuilder::build_recorder);
    if let Ok(recorder) = recorder {
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_ok() {
            let _ = METRICS.set(handle);
            measures::describe();
        }
    }
}

/// `RUST_LOG`, or what is configured.
fn filter(config: &Log) -> EnvFilter {
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => EnvFilter::builder().parse_lossy(directives),
        _ => config.filter().unwrap_or_default(),
    }
}

/// Sends panics where the other lines go, in one line each.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a value that is no text");
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, thread = std::thread::current().name(), "panicked: {message}");
    }));
}

/// All metrics, as Prometheus reads them (text format 0.0.4).
#[must_use]
pub fn metrics(db: &Db) -> String {
    measures::collect(db);
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds the samples of histograms together, which otherwise accumulate until they are read. To be called every few seconds.
pub fn upkeep() {
    if let Some(handle) = METRICS.get() {
        handle.run_upkeep();
    }
}
