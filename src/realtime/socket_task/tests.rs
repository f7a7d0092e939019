use std::collections::HashMap;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    auth::Actor,
    contract::{SessionId, command::Handshake},
    fanout::sockets::fake::{FakeTransport, somebody},
    realtime::{guest::register, inbox},
};

/// Not in the handling of an event, which answers what panics there: in its greeting, when it is in the index.
#[tokio::test]
async fn a_socket_whose_task_panics_is_ended_and_leaves_nothing_behind() {
    let (app, _inlet, _tasks, _folder) = App::for_test(|_| ()).await;
    let user = somebody();
    let actor = Actor { user_id: user.id, session_id: SessionId::new(), expires_at: Timestamp(i64::MAX) };
    let (_inbox, items) = inbox::open(1);
    let guest = Guest {
        actor,
        token: String::new(),
        user: user.clone(),
        is_invisible: true,
        handshake: Handshake::default(),
        rooms: HashMap::from([(RoomId::new(), Seq::ZERO)]),
        items,
        gone: CancellationToken::new(),
    };
    // `connected` is taken; the last event of a node that stops is not.
    app.draining.cancel();
    let (transport, killed) = FakeTransport::of_events(1);
    let socket = register(&guest, (app.chat.files().signer.clone(), app.base_url()), transport);
    timeout(TIMEOUT, serve(Arc::clone(&app), guest, socket)).await.unwrap();
    assert!(killed.is_cancelled());
    assert!(app.sockets.all().is_empty());
    assert_eq!(app.sockets.rooms_of(user.id), None);
    assert!(!app.sockets.is_invisible(user.id));
}
