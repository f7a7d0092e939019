//! Every metric, with its description. Labels have values from closed lists, so that clients cannot create time series.

use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};

use crate::db::Db;

/// Describes each metric, which Prometheus shows as `HELP`, and sets those that do not change.
pub(super) fn describe() {
    describe_counter!("parlour_http_requests_total", "HTTP requests answered, by method, route and status.");
    describe_histogram!(
        "parlour_http_request_duration_seconds",
        "Time until the head of the answer, by method and route."
    );
    describe_histogram!("parlour_event_duration_seconds", "Time to handle an event of a client, by event.");
    describe_counter!(
        "parlour_events_total",
        "Events of clients that were handled, by event and the code of the answer."
    );
    describe_counter!("parlour_connects_refused_total", "Refused CONNECT packets, by code.");
    describe_gauge!("parlour_sockets", "Sockets connected to this node.");
    describe_gauge!(
        "parlour_transports_without_namespace",
        "Engine.IO sessions (WebSocket or polling) without a socket of a namespace."
    );
    describe_counter!("parlour_sockets_cut_total", "Sockets ended because their client did not read fast enough.");
    describe_counter!("parlour_sockets_evicted_total", "Sockets ended to make room for a newer one of the same user.");
    describe_counter!("parlour_slow_readers_cut_total", "Connections ended because an answer was read too slowly.");
    describe_counter!("parlour_rate_limited_total", "Requests and events refused as too many.");
    describe_counter!("parlour_deliveries_total", "Entries of logs delivered to sockets.");
    describe_gauge!("parlour_feed_rooms", "Rooms with a socket on this node.");
    describe_counter!("parlour_feed_refilled_total", "Entries read from the database because a notice was missed.");
    describe_gauge!("parlour_log_queue", "Messages that wait for the writer.");
    describe_histogram!("parlour_log_batch_jobs", "Messages written in one transaction.");
    describe_counter!("parlour_follower_entries_total", "Entries of logs that followers have applied, by follower.");
    describe_counter!("parlour_bus_received_total", "Notices received from other nodes.");
    describe_counter!(
        "parlour_bus_dropped_total",
        "Notices for other nodes that were dropped; they read the database instead."
    );
    describe_gauge!("parlour_bus_up", "Whether both connections to Redis work: 1 or 0.");
    describe_counter!("parlour_mails_sent_total", "Mails that the mail server accepted.");
    describe_gauge!(
        "parlour_database_connections",
        "Open connections to the database, by pool and state (used, idle)."
    );
    describe_gauge!("parlour_build_info", "Always 1; its label is the version.");
    gauge!("parlour_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics_process::Collector::default().describe();
}

/// Sets the gauges that are read on demand: the process, and the pools of the database.
pub(super) fn collect(db: &Db) {
    metrics_process::Collector::default().collect();
    for (pool, used, idle) in db.connections() {
        gauge!("parlour_database_connections", "pool" => pool, "state" => "used").set(f64::from(used));
        gauge!("parlour_database_connections", "pool" => pool, "state" => "idle").set(f64::from(idle));
    }
}
