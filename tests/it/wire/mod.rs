//! Engine.IO, Socket.IO and HTTP: what clients may send, and what they are answered.

mod absent_values;
mod addresses;
mod answers_unread;
mod backlog;
mod cancelled_requests;
mod charges;
mod charges_missed;
mod close_codes;
mod commands;
mod connection_limit;
mod early_refusals;
mod engine_io;
mod idle_transports;
mod origins;
mod slow_readers;
mod slow_uploads;
mod socket_io;
mod sockets;
mod upgrades;
mod written_forms;
mod wrong_values;
