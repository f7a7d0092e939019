//! Parlour is a Socket.IO chat server: rooms, messages, receipts, typing and presence over Socket.IO, a small REST API
//! beside it, one binary.
//!
//! # The one idea
//!
//! **Every durable change in a room takes the next `seq` of that room, in the transaction that makes it.** A new message
//! carries its `seq` on its own row; every other durable change (an edit, a deletion, a member who came, changed or went,
//! new settings) is a row of `room_events`. A room's history is those two merged by `seq`: dense, ordered, permanent.
//! Everything else follows:
//!
//! - an ack means *committed*: client and server may lose power the moment after;
//! - order is `seq` order, for every reader;
//! - to reconnect is to ask for what follows `seq` N: no window, no cache, no guess;
//! - unread counts, receipts and sync are cursors on the same log.
//!
//! What is true only now (typing, presence, who is looking at a room) never touches the log and may be dropped.
//!
//! # The way data flows
//!
//! ```text
//! main -> server -> { http, realtime } -> app -> { account, search } -> chat -> log -> db
//!                                          |                              |
//!                                       fanout <------- cluster::bus <----+    committed entries travel back out as values
//! ```
//!
//! No module knows one beside or above it: `tests/tidy.rs` holds the order.
//!
//! | module | what it is for |
//! |---|---|
//! | [`contract`] | the wire: requests, resources, errors; the same for both transports |
//! | [`contract::catalogue`] | every event: what clients emit with payload and ack, what the server emits |
//! | [`auth`] | accounts, sessions, and how a token becomes an [`auth::Actor`]; knows no profile |
//! | [`account`] | profiles, contacts, and how an account is given up and erased |
//! | [`log`] | the spine: entries, appending, the group-commit writer, reading back, followers; knows no message from another |
//! | [`chat`] | the use cases and their rules; knows neither axum nor socketioxide |
//! | [`chat::permission`] | who may do what: one table, and the only maker of a permit |
//! | [`search`] | finding messages, and the follower that keeps the index |
//! | [`cluster::bus`] | what was committed, on its way to whoever listens: here, and by [Redis](cluster::redis) on other nodes |
//! | [`fanout::delivery`] | takes every notice of the bus, in order, and sees to it |
//! | [`fanout::feed`] | one task a room: delivers its entries in `seq` order, refills gaps, attaches subscribers |
//! | [`fanout::sockets`] | the index of this node's sockets |
//! | [`fanout::reconcile`] | compares open sockets with the database, for what another node could not tell |
//! | [`fanout::presence`], [`fanout::typing`] | the ephemeral facts |
//! | [`fanout::throttle`] | how often others are told who is there |
//! | [`limits`] | how much anyone may ask for: what each event and request costs |
//! | [`realtime`] | Socket.IO: handshake, inbox, dispatch. The only place that names socketioxide |
//! | [`http`] | REST: every route on one page; a handler decodes, calls one use case and shapes its answer |
//! | [`media`] | files: what their bytes are, where they lie, and addresses that load them |
//! | [`mail`] | letters to people who are invited |
//! | [`listener`] | TCP: no delay, an end for peers that stall, a kill switch a connection, an end that waits for peers that still send |
//! | [`check`] | whether a server would start, and what it needs answers |
//! | [`tasks`] | what runs for as long as the server: when one of these ends, the server does |
//! | [`app`], [`server`] | put the parts together; run them, and take them apart gracefully |
//!
//! # Where something new goes
//!
//! - *An event that clients emit*: a line of [`contract::catalogue`], its payload in `contract/command.rs`, an arm in
//!   `realtime/dispatch.rs`, a price in `limits/price.rs`. The compiler asks for the last two; the README's table is made from the first.
//! - *News of the moment*: a variant of [`contract::catalogue::Ephemeral`], and one
//!   `bus.publish(Notice::Emit { topic, event })`. It reaches the topic's sockets on every node.
//! - *A durable change of a room*: a variant of [`contract::catalogue::Durable`] and of `entity::EventKind`, how it is read back
//!   (`chat/entries.rs`), and a use case: `permit.append(…)`, `chat.log.commit(…)`.
//! - *Something that reacts to what was committed*: a [follower](#followers), started in `app.rs`.
//! - *A rule of who may do what*: the table of [`chat::permission`].
//!
//! # Words
//!
//! | word | what it means here |
//! |---|---|
//! | user, session, connection, socket | an account; a login of it; TCP; Socket.IO |
//! | member, membership | a user's row in a room, and what follows from it; who left has a row as well |
//! | subscriber | a socket that receives a room's events |
//! | slot | what is counted against a limit while it is taken: a socket of a user, a handshake |
//! | seq | a position in a room's log |
//! | entry | a committed change in a room, in its position |
//! | append | to give changes the next positions, in the transaction that makes them |
//! | follower, cursor | what reacts to entries, and how far it has come in each room |
//! | annotations | what hangs on a message: reactions, pins, mentions, replies |
//! | preload | what a batch of messages must know, read before it is decided |
//! | permit | proof that somebody may do something in a room |
//! | audit record | what an admin's list tells of a change |
//! | lease, reap | that a node lives, and taking off what a dead one left |
//! | reconcile | to compare what open sockets hear and may with the database, after an outage and now and then |
//! | notice | what the bus carries: entries of a room, news for a topic, or sockets that end |
//!
//! One noun has one file name in every layer: who looks for "how a message is edited" opens `contract/message.rs`,
//! `chat/message.rs`, `http/message.rs`, `entity/message.rs`.
//!
//! # The way of a message
//!
//! The socket's handler decodes nothing: it pushes the raw packet into the socket's bounded inbox, in wire order
//! (`realtime/inbox.rs`). The socket's task takes it out, finds the use case by the event's name
//! (`realtime/dispatch.rs`) and submits the message without waiting, so that the next event is handled while
//! this one commits. The writer (`log/writer.rs`) takes everything that is queued and opens one transaction, in which
//! `chat/message/batch.rs` checks every sender, drops repeats of a `client_msg_id`, numbers the rest and inserts it. After the
//! commit a second task acks each sender, encodes each event once and hands it to the bus. Delivery gives it to the
//! room's task, which emits it to every socket that has joined, batch by batch.
//!
//! Other changes are rare and take their own transaction: check, change, [`append`](log), commit, tell.
//!
//! # Notices
//!
//! Sockets and other nodes hear of three kinds of things, and of no more ([`cluster::bus::Notice`]): entries of a room's log; news of
//! the moment for a room, some rooms or a user; and sockets that end. A kick is an entry: on every node the room's task, or the index of
//! sockets, takes whom it is about out of the room. A login that ends is a revocation.
//!
//! # What not everybody may read
//!
//! Where newcomers read only what was said since they joined (`rooms.history`), an entry that shows an older message exists
//! in more than one form ([`log::entry::Entry::data_for`]): each reader is given the one for the seq at which they joined.
//!
//! # Who knows of whom
//!
//! Somebody is a **contact** of the people they share a room with that is not public and that they created, joined by themselves
//! or have written in (`members.participates`, [`chat::addition`]). E-mail addresses and presence are for contacts: being put
//! into a room makes nobody known. A message or a member is shown to a recipient (`chat/view.rs`, `chat/privacy.rs`), who is one
//! person, or all who hear a room; what is written once for all of these has a form of its own for whom it is about.
//!
//! # Followers
//!
//! Whatever reacts to what was committed is a follower of the logs (`log/follow.rs`). It has a cursor a room, which moves in the
//! transaction in which the follower writes what it makes of the entries: it misses none and applies none twice, whatever dies
//! in between and on however many nodes it runs. Nothing else is called by a commit, but for live delivery.
//!
//! # Search
//!
//! The index is such a follower (`search/indexer.rs`): sending does not wait for it. It only proposes; each hit is compared again with the
//! message as it is now, and what the index has not read yet is
//! read from the log. So what was just sent is found, and what was deleted is not.
//!
//! Texts are compared as [`entity::fold`] makes them: without case, width and accents. Names of people and rooms keep that form
//! in columns of their own, because the databases fold ASCII alone.
//!
//! Searches are the dearest questions: they have a few connections of their own, and each person one search at a time
//! (`db/search_permits.rs`). SQLite works in this process and does not notice that nobody waits any more, so each of its
//! connections looks whether its statement is still wanted, and keeps its connection until the statement has ended (`db/reader.rs`).
//!
//! # The way back in
//!
//! A client that reconnects sends the last `seq` it has of each room. The room's task replays what follows to that one
//! socket, then adds it to the room: one task does both, so there is neither a gap nor a repeat between replay and live.
//! What the task does not remember it reads from the database, which is also how it fills any gap that the bus left. A
//! socket that does not keep up is cut and comes back the same way; nothing is ever dropped silently. A replay is as fast as its
//! client fetches it: what waits for a client is bounded on every transport, and little for one that takes nothing
//! (`realtime/backlog.rs`).
//!
//! # What is in no log
//!
//! Read marks and profiles change without an entry of a log, and people who have not joined a room hear none of its entries. They
//! are told of all three at once, at most once a second ([`fanout::delivery`]), and what is told is looked up when it is told: the state
//! that is told last is the present one. A client that comes back says which entries it has; what changed since these were made
//! is told to it again ([`chat::catch_up`]), and what other nodes changed is found by its time ([`fanout::reconcile`]).
//!
//! # Many nodes
//!
//! Nodes are equal, and share nothing but the database, the media store, and a Redis that makes them fast. The seqs of a log
//! are given under the lock of its room, so any node may write to any room. What a node commits it gives to its own sockets at
//! once and to Redis without waiting ([`cluster::redis`]); another node follows the channels of the rooms and users it has sockets
//! of ([`cluster::interest`]) and gives what it hears to the same feed, which cares neither about order nor about repeats. What
//! Redis loses, the feed reads: at once when it sees a gap, with its sweep of every few seconds, and whenever a connection to
//! Redis was made anew. What is in no log (logins that ended, rooms that somebody was added to) is looked up by [`fanout::reconcile`].
//!
//! Their clocks may differ, and be set: the time is the database's, which each node asks for now and then and goes on with by
//! itself ([`clock`]). Nothing waits longer, and nobody is refused, because a clock was wrong.
//!
//! Presence is in the database: a row a node with a lease that it renews, and a row for each of its users ([`fanout::presence`]). When
//! a lease ends, another node takes the users off and tells of it. Rate limits and numbers of sockets are counted in Redis,
//! and by each node alone while that does not answer ([`limits`]).
//!
//! A database that hangs, dies or moves costs requests, not the node: connections prove that they live, statements and
//! transactions end in time ([`db`]), every event is answered within ten seconds from when it came, or from
//! the end of the replay that it waited for, and a commit that was not answered is answered as in doubt.
//!
//! # Where the socket library is not what the protocol says
//!
//! socketioxide 0.18.9 and engineioxide 0.17.9 keep sessions, heartbeats and queues. What they do otherwise than the protocol
//! or Node's server is mended in front of them (`realtime/engine/`), by the stream that they read and write and by the
//! requests that they are shown. Each entry could go with a change there:
//!
//! | here | what would have to change upstream |
//! |---|---|
//! | `websocket.rs` checks the handshake, and keeps a WebSocket from its session until the client has sent `5` | `ws::new_req` checks `Upgrade`, `Connection`, version and key; `upgrade_handshake` calls `start_upgrade` after the upgrade packet, and a failure does not close the session |
//! | `sessions.rs` ends a session whose poll was given up, and the poll of a client that leaves | `polling_req` notices that its future is dropped; a Disconnect packet flushes the pending poll |
//! | the first ping is swallowed and answered (`outbound.rs`, `Engine::open`) | `heartbeat_job_v4` waits one interval before its first ping |
//! | `text.rs` carries events whose name has an escape | `read_event` reads a `Cow<str>` |
//! | `text.rs` carries acks with numbers over 63 bits, and takes spaces out of packet heads | `read_ack` tells "no number" from "a number that does not fit", and refuses the latter |
//! | `text.rs` makes an event for a namespace that nobody joined a bad packet | `sock_propagate_packet` is an error for an unknown namespace |
//! | `handshake.rs` takes a socket out of its namespace at once | `Socket::close` removes the socket before it spawns the disconnect handler |
//! | `connects.rs` holds what follows a CONNECT until that is answered, and repeats one that was passed over | `Namespace::connect` queues a CONNECT, and a Disconnect, that comes while another is underway |
//! | no Engine.IO close packet is sent to a client that may come back (`outbound.rs`, `is_ended`), and one whose socket the server ended gets a close frame at once | `Socket::close` closes the transport as Node's server does |
//! | `outbound.rs` gives close frames a code | `forward_to_socket` closes with the reason of the disconnect |
//! | `attachment.rs` puts attachments back by hand | an extractor gives data and attachments as one raw value |
//!
//! # Invariants
//!
//! - A seq is given only inside the transaction that fills it (`rooms.last_seq`, with the room locked).
//! - Nothing is published before it is committed, and nothing is awaited from a client or the network inside a
//!   transaction.
//! - Finders start from what the asker may see: what is not visible to them is not found, with the same answer as what
//!   does not exist.
//! - A change of a room takes a [`chat::permission::Permit`], which only the table of that module gives.
//! - A log entry names what changed; the state is read from the tables. So deleted content is in no old entry.
//! - Every emit that asks for an ack gets exactly one.
//! - Who asks for a change is looked at again in the transaction that makes it ([`auth::recheck`]): what was ended while the
//!   request was on its way, a login or an account, bites.
//!
//! # What is absent on purpose
//!
//! Socket.IO rooms and broadcast operators: they drop packets silently for a socket that is behind, and name no socket.
//! Its remote adapters: they publish before they deliver and give no order. A cache of memberships: a removal must bite
//! at once. A retry of what a client asked for: every request and every event runs once, and its failure is answered; clients
//! repeat by `client_msg_id`, and the log knows. Only work that no client waits for is tried again after a pause: followers,
//! sweepers, what delivery and presence read, and the connection to Redis. The one client
//! library that repeats a call by itself, twice, is that of S3, whose calls are safe to repeat.

pub mod account;
pub mod app;
pub mod auth;
pub mod chat;
pub mod check;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod contract;
pub mod db;
pub mod error;
pub mod fanout;
pub mod http;
pub mod limits;
pub mod listener;
pub mod log;
pub mod mail;
pub mod media;
pub mod realtime;
pub mod search;
pub mod server;
pub mod tasks;
pub mod telemetry;
