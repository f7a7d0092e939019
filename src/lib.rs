//! Parlour is a Socket.IO chat server: rooms, messages, receipts, typing and presence over Socket.IO, a small REST API
//! beside it, one binary.
//!
//! # The one idea
//!
//! **Every durable change in a room takes the next `seq` of that room, in the transaction that makes it.** A new message
//! carries its `seq` on its own row; every other durable change (an edit, a deletion, a member added, changed or removed, new
//! settings) is a row of `room_events`. A room's history is those two merged by `seq`: dense, ordered, permanent.
//! Everything else follows:
//!
//! - an ack means *committed*: client and server may lose power right after it;
//! - order is `seq` order, for every client;
//! - a client that reconnects asks for what follows `seq` N: no window, no cache, no guess;
//! - unread counts, receipts and sync are cursors on the same log.
//!
//! Ephemeral facts (typing, presence, who has a room open) never touch the log and may be dropped.
//!
//! # Data flow
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
//! | [`account`] | profiles, contacts, and how an account is deactivated and erased |
//! | [`log`] | the spine: entries, appending, the group-commit writer, reading back, followers; decides nothing about messages |
//! | [`chat`] | the use cases and their rules; knows neither axum nor socketioxide |
//! | [`chat::permission`] | who may do what: one table; a permit comes from a membership, or from one of three makers that it lists |
//! | [`search`] | finding messages, and the follower that keeps the index |
//! | [`cluster::bus`] | notices of what was committed, for this node and, by [Redis](cluster::redis), for the others |
//! | [`fanout::delivery`] | handles every notice of the bus, in order |
//! | [`fanout::feed`] | one task a room: delivers its entries in `seq` order, refills gaps, attaches subscribers |
//! | [`fanout::sockets`] | the index of this node's sockets |
//! | [`fanout::reconcile`] | compares open sockets with the database, for notices of other nodes that were lost |
//! | [`fanout::presence`], [`fanout::typing`] | the ephemeral facts |
//! | [`fanout::throttle`] | limits how often presence events are sent |
//! | [`limits`] | rate limits: what each event and request costs |
//! | [`realtime`] | Socket.IO: handshake, inbox, dispatch. The only place that names socketioxide |
//! | [`http`] | REST: every route on one page; a handler decodes, calls one use case and shapes its answer |
//! | [`media`] | files: their MIME types, their store, and signed URLs that load them |
//! | [`mail`] | mails to invited people |
//! | [`listener`] | TCP: no delay, a timeout for stalled peers, a kill switch per connection, a close that waits for peers that still send |
//! | [`check`] | whether a server would start, and whether what it needs answers |
//! | [`tasks`] | tasks that run as long as the server: if one ends, the server ends |
//! | [`app`], [`server`] | build all parts; run them, and stop them gracefully |
//!
//! # Where something new goes
//!
//! - *An event that clients emit*: a line of [`contract::catalogue`], its payload in `contract/command.rs`, an arm in
//!   `realtime/dispatch.rs`, a price in `limits/price.rs`. The compiler asks for the last two; the README's table is made from the first.
//! - *An ephemeral event*: a variant of [`contract::catalogue::Ephemeral`], and one
//!   `bus.publish(Notice::Emit { topic, event })`. It reaches the topic's sockets on every node.
//! - *A durable change of a room*: a variant of [`contract::catalogue::Durable`] and of `entity::EventKind`, how it is read back
//!   (`chat/entries.rs`), and a use case: `permit.append(…)`, `chat.log.commit(…)`.
//! - *Code that reacts to commits*: a [follower](#followers), started in `app.rs`.
//! - *A permission*: the table of [`chat::permission`], which also says what admins may not do to owners.
//! - *A column of `messages`*: a migration (`migration/src/`), the entity (`entity/src/message.rs`), the new row in
//!   `chat/message/batch.rs`, and where it is shown: `contract/message.rs` and `chat/view.rs`.
//!
//! # Words
//!
//! | word | what it means here |
//! |---|---|
//! | user, session, connection, socket | an account; a login of it; TCP; Socket.IO |
//! | member, membership | a user's row in a room, and their rights by it; a user who left keeps a row |
//! | subscription | what a member may receive of a room, and from which seq |
//! | subscriber | a socket that receives a room's events |
//! | slot | a place under a limit that is in use: for a socket of a user, or a handshake |
//! | seq | a position in a room's log |
//! | head | the last seq of a log |
//! | entry | a committed change in a room, with its seq |
//! | append | to give changes the next seqs of a log, in the transaction that makes them |
//! | follower, cursor | code that reacts to entries, and the last seq it has applied in each room |
//! | recipient | to whom rows are shown: one user, or all subscribers of a room |
//! | annotations | what belongs to a message besides its content: reactions, pins, mentions, replies |
//! | preload | what a batch of messages needs from the database, read before the batch is decided |
//! | permit | proof that a user may do something in a room; or of a semaphore |
//! | audit record | an action of a member in the audit list of a room |
//! | signed URL, base URL | a URL that loads a file without a token; what it begins with |
//! | lease, reap | a node's proof that it runs, and removing what a dead node left |
//! | reconcile | to compare open sockets with the database, after an outage and now and then |
//! | notice | a message of the bus: entries of a room, an ephemeral event for a topic, or sockets to end |
//!
//! One noun has one file name in every layer: who looks for "how a message is edited" opens `contract/message.rs`,
//! `chat/message.rs`, `http/message.rs`, `entity/src/message.rs`.
//!
//! # How a message is sent
//!
//! The socket's handler decodes nothing: it pushes the raw packet into the socket's bounded inbox, in wire order
//! (`realtime/inbox.rs`). The socket's task takes it out, finds the use case by the name of the event
//! (`realtime/dispatch.rs`) and submits the message without waiting: the next event is handled while this one
//! commits. The writer (`log/writer.rs`) takes everything that is queued and opens one transaction, in which
//! `chat/message/batch.rs` checks every sender, drops repeats of a `client_msg_id`, numbers the rest and inserts it. After the
//! commit a second task acks each sender, encodes each event once and hands it to the bus. Delivery gives it to the
//! room's task, which emits it to every socket that has joined, batch by batch.
//!
//! Other changes are rare and have their own transaction: check, change, [`append`](log), commit, publish.
//!
//! # Notices
//!
//! Sockets and other nodes receive three kinds of notices and no more ([`cluster::bus::Notice`]): entries of a room's log; an ephemeral
//! event for a room, some rooms or a user; and revocations of sockets. A kick is an entry: on every node the room's task, or the index
//! of sockets, removes the user from the room. A session that ends is a revocation.
//!
//! # History privacy
//!
//! Where members read only what was said since they joined (`rooms.history`), an entry that shows an older message exists
//! in more than one form ([`log::entry::Entry::data_for`]): each user receives the one for the seq at which they joined. From where
//! on a member may read at all is decided in `chat/find.rs` (`reads_from`).
//!
//! # Contacts
//!
//! A user is a **contact** of those with whom they share a room that is not public and that they created, joined by themselves
//! or have written in (`members.participates`, [`chat::addition`]). E-mail addresses and presence are for contacts: being added
//! to a room makes nobody a contact. A message or a member is shown to a recipient (`chat/view.rs`, `chat/privacy.rs`), one
//! user or all subscribers of a room. Data for all subscribers has a second form for the user whom it is about.
//!
//! # Followers
//!
//! All code that reacts to commits is a follower of the logs (`log/follow.rs`). A follower has a cursor per room, which moves in the
//! transaction in which the follower writes its own data: it misses no entry and applies none twice, even if a node dies in
//! between, and on any number of nodes. A commit calls nothing else, except live delivery.
//!
//! # Search
//!
//! The index is such a follower (`search/indexer.rs`): sending does not wait for it. It only proposes; each hit is compared again with the
//! message as it is now, and what the index has not read yet is
//! read from the log. So what was just sent is found, and what was deleted is not.
//!
//! Texts are compared as [`entity::fold`] folds them: without case, width and accents. Names of users and rooms are also stored in
//! that form, because the databases fold only ASCII.
//!
//! Searches cost the database most: they have a few connections of their own, and each user runs one search at a time
//! (`db/search_permits.rs`). SQLite runs in this process and does not notice that nobody waits any more, so each of its
//! connections checks whether its statement is still wanted, and is in use until the statement has ended (`db/reader.rs`).
//!
//! # Reconnecting
//!
//! A client that reconnects sends the last `seq` it has of each room. The room's task replays what follows to that one
//! socket, then adds it to the room: one task does both, so there is neither a gap nor a repeat between replay and live.
//! What the task does not remember it reads from the database, which is also how it fills any gap that the bus left. A
//! socket that does not keep up is cut and reconnects in the same way; nothing is ever dropped silently. A replay is as fast as its
//! client reads it: what waits for a client is bounded on every transport, with a lower bound for a client that reads nothing
//! (`realtime/backlog.rs`).
//!
//! # What is in no log
//!
//! Read marks and profiles change without an entry of a log, and a socket that has not joined a room receives none of its entries.
//! Such changes are sent at once, but at most once a second ([`fanout::delivery`]), and are read from the database when they are sent:
//! so the last state sent is the present one. A client that reconnects says which entries it has; what changed since those is sent to
//! it again ([`chat::catch_up`]), and changes by other nodes are found by their time ([`fanout::reconcile`]).
//!
//! # Many nodes
//!
//! Nodes are equal, and share only the database, the media store, and a Redis that makes them fast. The seqs of a log are given under
//! the lock of its room, so any node may write to any room. A node passes its commits to its own sockets at once, and to Redis without
//! waiting ([`cluster::redis`]); another node subscribes to the channels of the rooms and users of its sockets
//! ([`cluster::interest`]) and passes what it receives to the same feed, which tolerates any order and repeats. What Redis loses, the
//! feed reads from the database: at once when it sees a gap, in its sweep every few seconds, and after each new connection to Redis.
//! What is in no log (logins that ended, rooms to which a user was added) is read by [`fanout::reconcile`].
//!
//! The clocks of nodes may differ and may be set: time is that of the database, which each node reads now and then and continues by
//! itself ([`clock`]). A wrong clock delays nothing and refuses nobody.
//!
//! Presence is in the database: a row per node with a lease that it renews, and a row for each of its users ([`fanout::presence`]).
//! When a lease ends, another node removes these users and announces it. Rate limits and numbers of sockets are counted in Redis,
//! or by each node alone while Redis does not answer ([`limits`]).
//!
//! A database that hangs, dies or moves fails requests, not the node: connections are probed, statements and transactions have a
//! timeout ([`db`]), every event is answered within ten seconds after it came, or after the replay for which it waited, and a commit
//! whose outcome is unknown is answered as such.
//!
//! # Where the socket library is not what the protocol says
//!
//! socketioxide 0.18.9 and engineioxide 0.17.9 keep sessions, heartbeats and queues. Where they differ from the protocol
//! or from Node's server, code in front of them corrects it (`realtime/engine/`): in the stream that they read and write, and in the
//! requests that they receive. Each of these could be removed with a change upstream:
//!
//! | here | what would have to change upstream |
//! |---|---|
//! | `websocket.rs` checks the handshake, and keeps a WebSocket from its session until the client has sent `5` | `ws::new_req` checks `Upgrade`, `Connection`, version and key; `upgrade_handshake` calls `start_upgrade` after the upgrade packet, and a failure does not close the session |
//! | `sessions.rs` ends a session whose poll was given up, and the poll of a client that leaves | `polling_req` notices that its future is dropped; a Disconnect packet flushes the pending poll |
//! | the first ping is swallowed and answered (`outbound.rs`, `Engine::open`) | `heartbeat_job_v4` waits one interval before its first ping |
//! | `text.rs` carries events whose name has an escape | `read_event` reads a `Cow<str>` |
//! | `text.rs` carries acks with numbers over 63 bits, and takes spaces out of packet heads | `read_ack` tells "no number" from "a number that does not fit", and refuses the latter |
//! | `text.rs` makes an event for a namespace that the client did not join a bad packet | `sock_propagate_packet` is an error for an unknown namespace |
//! | `handshake.rs` takes a socket out of its namespace at once | `Socket::close` removes the socket before it spawns the disconnect handler |
//! | `connects.rs` delays what follows a CONNECT until that is answered, and repeats one that was ignored | `Namespace::connect` queues a CONNECT, and a Disconnect, that comes while another is underway |
//! | no Engine.IO close packet is sent to a client that may come back (`outbound.rs`, `is_ended`), and one whose socket the server ended gets a close frame at once | `Socket::close` closes the transport as Node's server does |
//! | `outbound.rs` gives close frames a code | `forward_to_socket` closes with the reason of the disconnect |
//! | `binary_attachments.rs` puts attachments back by hand | an extractor gives data and attachments as one raw value |
//!
//! # Invariants
//!
//! - A seq is given only inside the transaction that uses it (`rooms.last_seq`, with the room locked).
//! - Nothing is published before it is committed, and nothing is awaited from a client or the network inside a
//!   transaction.
//! - Queries start from what the asker may see: what is not visible to them is not found, with the same answer as what
//!   does not exist.
//! - A change of a room takes a [`chat::permission::Permit`]. The table of that module gives it for a membership; who creates or enters
//!   a room, and what the server takes back by itself, have makers of their own there, and `tests/tidy.rs` lists who uses these.
//! - A log entry names what changed; the state is read from the tables. So deleted content is in no old entry.
//! - Every emit that asks for an ack gets exactly one.
//! - The transaction of a change checks again who asks for it ([`auth::recheck`]): a login or an account that ended while the
//!   request was on its way refuses it.
//!
//! # What is absent on purpose
//!
//! Socket.IO rooms and broadcast operators: they drop packets silently for a socket that is behind, and name no socket.
//! Its remote adapters: they publish before they deliver and give no order. A cache of memberships: a removal must take effect
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
