//! A socket that was admitted, until it is served.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::inbox::Items;
use crate::{
    auth::Actor,
    contract::{RoomId, Seq, User, command::Handshake},
    fanout::sockets::{Socket, SocketId, Transport},
    media::{base_url::BaseUrl, signed_url::UrlSigner},
};

/// What was found out about a socket during admission.
pub(super) struct Guest {
    pub(super) actor: Actor,
    pub(super) token: String,
    pub(super) user: User,
    /// Whether they want to appear offline.
    pub(super) is_invisible: bool,
    pub(super) handshake: Handshake,
    /// The heads of the logs of the user's rooms: the socket receives what follows.
    pub(super) rooms: HashMap<RoomId, Seq>,
    pub(super) items: Items,
    /// Cancelled when the socket is gone.
    pub(super) gone: CancellationToken,
}

/// The connection of a socket that is being served, for the socket's own handler. Weak, because the connection holds the
/// socket.
#[derive(Clone)]
pub(super) struct Served(pub(super) Weak<Socket>);

/// Gives a socket its name on this node.
pub(super) fn register(guest: &Guest, urls: (UrlSigner, BaseUrl), transport: Box<dyn Transport>) -> Arc<Socket> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let id = SocketId(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    let scope = guest.handshake.rooms;
    Arc::new(Socket::new(id, guest.user.clone(), guest.actor.session_id, scope, urls, transport))
}
