use super::*;
use crate::{
    config::Config,
    connections::fake::{FakeTransport, somebody},
    contract::{User, command::RoomScope},
    media::{link::Links, origin::Origin},
};

fn socket(id: u64, user: &User) -> Arc<Connection> {
    let beginning = (Links::new(&Config::load(None).unwrap()), Origin::new("http", "localhost"));
    let (transport, _) = FakeTransport::of_events(0);
    let session = SessionId::new();
    Arc::new(Connection::new(ConnectionId(id), user.clone(), session, RoomScope::Joined, beginning, transport))
}

/// What an earlier socket leaves behind is forgotten whenever it likes.
#[test]
fn who_appears_offline_does_so_from_the_moment_their_socket_is_there() {
    let (connections, user) = (Connections::default(), somebody());
    let (earlier, later) = (socket(1, &user), socket(2, &user));
    connections.enter(&earlier, [], true, |_| ());
    assert!(connections.leave(&earlier), "it was the last");
    connections.forget_user(user.id);
    assert!(!connections.is_invisible(user.id), "nothing is kept of who is not there");
    connections.enter(&later, [], true, |_| ());
    connections.forget_user(user.id);
    assert!(connections.is_invisible(user.id));
    assert!(connections.appears(user.id, false), "they show themselves");
    connections.enter(&earlier, [], true, |_| ());
    assert!(!connections.is_invisible(user.id), "what is known already is newer");
}
