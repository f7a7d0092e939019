use super::*;
use crate::{
    config::Config,
    contract::{User, command::RoomScope},
    fanout::sockets::fake::{FakeTransport, somebody},
    media::{base_url::BaseUrl, signed_url::UrlSigner},
};

fn socket(id: u64, user: &User) -> Arc<Socket> {
    let urls = (UrlSigner::new(&Config::load(None).unwrap()), BaseUrl::new("http", "localhost"));
    let (transport, _) = FakeTransport::of_events(0);
    let session = SessionId::new();
    Arc::new(Socket::new(SocketId(id), user.clone(), session, RoomScope::Joined, urls, transport))
}

/// What an earlier socket leaves behind is forgotten whenever it likes.
#[test]
fn who_appears_offline_does_so_from_the_moment_their_socket_is_there() {
    let (sockets, user) = (Sockets::default(), somebody());
    let (earlier, later) = (socket(1, &user), socket(2, &user));
    sockets.enter(&earlier, [], true, |_| ());
    assert!(sockets.leave(&earlier), "it was the last");
    sockets.forget_user(user.id);
    assert!(!sockets.is_invisible(user.id), "nothing is kept of who is not there");
    sockets.enter(&later, [], true, |_| ());
    sockets.forget_user(user.id);
    assert!(sockets.is_invisible(user.id));
    assert!(sockets.appears(user.id, false), "they show themselves");
    sockets.enter(&earlier, [], true, |_| ());
    assert!(!sockets.is_invisible(user.id), "what is known already is newer");
}
